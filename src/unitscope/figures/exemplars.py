"""One unit's exemplars: the images it responds to most, and where in them (paper, figure 2).

In: an `ExemplarSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
Each exemplar is a block of three tiles, picture, activation map, both in one, below two lines of text.
"""

from math import ceil, sqrt

from matplotlib.figure import Figure

from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.display.heatmaps import CAPTION, tone
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.sheet import Sheet, room
from unitscope.figures.text_layout import number, shorten, width
from unitscope.figures.tile_layout import GAP, Canvas
from unitscope.figures.unit_tiles import TileRows, draw_tiles

HEAD = theme.line(theme.BODY) + theme.line(theme.SMALL) + 4
MOST = 3


@draw.register
def exemplars(sheet: ExemplarSheet, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the figure of a unit's exemplars in reading order, at most 3 a row; a dead unit has none."""
    count = len(sheet.exemplars)
    heading = f"{sheet.layer.display_name}, unit {sheet.unit} of {sheet.network}" if title is None else title
    with theme.context(width):
        rows = TileRows.of(count, room(), most=min(MOST, ceil(sqrt(count))))
        height = HEAD + rows.side + GAP
        drawn = Sheet.of(rows.down(count) * height, title=heading, caption=_caption(sheet))
        canvas = drawn.canvas()
        for index, entry in enumerate(sheet.exemplars):
            left, top = rows.place(index, height)
            _head(canvas, entry, left, top, rows.block)
            tones = None if entry.map is None else tone(entry.map)
            draw_tiles(canvas, rows.tiles(left, top + HEAD), entry.picture, tones)
        return drawn.figure


def _caption(sheet: ExemplarSheet) -> str:
    if not sheet.exemplars:
        return sheet.note
    return (
        f"The images with the {'lowest' if sheet.lowest else 'highest'} responses, each with its rank, response α, "
        "labels and name: the picture as the network sees it, the unit's activation map, the picture where the map is "
        "bright. " + f"{sheet.note} {CAPTION}".lstrip()
    )


def _head(canvas: Canvas, entry: Exemplar, left: int, top: int, wide: int) -> None:
    figures = f"{entry.rank}   α = {number(entry.response)}"
    canvas.write(left, top, figures)
    beside = left + width(figures, theme.BODY) + GAP
    canvas.write(beside, top, shorten(entry.label, theme.BODY, left + wide - beside), color=theme.ACCENT)
    name = shorten(entry.image, theme.SMALL, wide, keep_end=True)
    canvas.write(left, top + theme.line(theme.BODY), name, size=theme.SMALL, color=theme.QUIET)
