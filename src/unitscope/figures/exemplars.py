"""One unit's exemplars: the images it responds to most, and where in them (paper, figure 2).

In: an `ExemplarSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
Each exemplar is a block of three tiles, picture, activation map, both in one, below a line of text.
"""

from math import ceil, sqrt

from matplotlib.figure import Figure

from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.display.heatmaps import CAPTION, overlay, tone
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.text_layout import number, shorten, width, wrap
from unitscope.figures.tile_layout import GAP, MARGIN, Box, Canvas, resized

TILE, SEAM = 224, 6
BLOCK = 3 * TILE + 2 * SEAM
LINE = theme.line(theme.BODY)
HEAD = MARGIN + theme.line(theme.TITLE) + GAP


@draw.register
def exemplars(sheet: ExemplarSheet) -> Figure:
    """Return the figure of a unit's exemplars in reading order, at most 3 a row; a dead unit has none."""
    with theme.context():
        blocks = grid(len(sheet.exemplars))
        right = max((box.right for box in blocks), default=MARGIN + BLOCK)
        bottom = max((box.bottom for box in blocks), default=HEAD) + 2 * GAP
        caption = wrap(_caption(sheet), theme.SMALL, right - MARGIN)
        step = theme.line(theme.SMALL)
        canvas = Canvas.blank(right + MARGIN, bottom + len(caption) * step + MARGIN)
        _title(canvas, sheet, right - MARGIN)
        for entry, box in zip(sheet.exemplars, blocks, strict=True):
            _block(canvas, entry, box)
        for index, text in enumerate(caption):
            canvas.write(MARGIN, bottom + index * step, text, size=theme.SMALL, color=theme.QUIET)
        return canvas.figure


def grid(count: int) -> list[Box]:
    """Return the boxes of ``count`` blocks, in a grid as square as possible with at most 3 per row."""
    across = min(3, ceil(sqrt(count)))
    step_right, step_down = BLOCK + 2 * GAP, LINE + TILE + 2 * GAP
    return [
        Box(MARGIN + (n % across) * step_right, HEAD + (n // across) * step_down, BLOCK, LINE + TILE)
        for n in range(count)
    ]


def tiles(block: Box) -> list[Box]:
    """Return the three square tiles below a block's line of text."""
    return [Box(block.left + n * (TILE + SEAM), block.top + LINE, TILE, TILE) for n in range(3)]


def _caption(sheet: ExemplarSheet) -> str:
    if not sheet.exemplars:
        return sheet.note
    return (
        f"The images with the {'lowest' if sheet.lowest else 'highest'} responses, each with its rank, response α, "
        "labels and name: the picture as the network sees it, the unit's activation map, the map over the picture. "
        + f"{sheet.note} {CAPTION}".lstrip()
    )


def _title(canvas: Canvas, sheet: ExemplarSheet, room: int) -> None:
    text = shorten(f"{sheet.layer.name}:{sheet.unit} of {sheet.network}", theme.TITLE, room)
    canvas.write(MARGIN, MARGIN, text, size=theme.TITLE)


def _block(canvas: Canvas, entry: Exemplar, box: Box) -> None:
    _line(canvas, entry, box)
    boxes = tiles(box)
    if entry.picture is not None:
        boxes = [tile.fit(*entry.picture.shape[:2]) for tile in boxes]
    tones = None if entry.map is None else tone(entry.map)
    picture = None if entry.picture is None else resized(entry.picture, boxes[0])
    both = None if picture is None or tones is None else overlay(picture, tones)
    for values, tile in zip((picture, tones, both), boxes, strict=True):
        if values is None:
            canvas.blank_tile(tile)
        else:
            canvas.image(values, tile)


def _line(canvas: Canvas, entry: Exemplar, box: Box) -> None:
    figures = f"{entry.rank}   α = {number(entry.response)}"
    canvas.write(box.left, box.top, figures)
    left = box.left + width(figures, theme.BODY) + GAP
    label = shorten(entry.label, theme.BODY, 0.6 * (box.right - left))
    canvas.write(left, box.top, label, color=theme.ACCENT)
    room = box.right - left - width(label, theme.BODY) - GAP
    name = shorten(entry.image, theme.SMALL, room, keep_end=True)
    canvas.write(box.right, box.top + 2, name, ha="right", size=theme.SMALL, color=theme.QUIET)
