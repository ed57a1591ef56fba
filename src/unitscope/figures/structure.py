"""One image's structure: the units it activates most, layer by layer (paper, figure 1).

In: a `Structure`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
The columns run from shallow to deep; all maps are equally wide, or in true proportion, at one scale. The picture, its
predictions and enlarged maps are beside them, or below the deep columns where these leave room.
"""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from unitscope.display.heatmaps import CAPTION, Tones, column_tones, tone
from unitscope.display.structure import Enlargement, LayerTopUnits, Prediction, Structure
from unitscope.errors import UnitscopeError
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.sheet import Sheet, room
from unitscope.figures.structure_layout import (
    NUMBER,
    ROW_GAP,
    SMALLEST,
    TILE,
    Equal,
    Form,
    Proportional,
    Stack,
    bands,
    extent,
    place_panel,
    scale_of,
    stacks,
)
from unitscope.figures.text_layout import number, shorten, wrap
from unitscope.figures.tile_layout import GAP, Box, Canvas, resized

PICTURE, ENLARGED = 448, 336
CHANCE = theme.line(theme.BODY) + 16


@draw.register
def structure(
    view: Structure, *, proportional: bool = False, width: str | None = None, title: str | None = None
) -> Figure:
    """Return the figure of one image's structure: the top maps of each layer, stacked.

    All maps are equally large, with their number of cells above them. Layers that don't fit side by side continue in a
    band below.

    Args:
        view: the structure.
        proportional: draw all maps at one scale, in true proportion, as in the paper. A cell is then a whole number of
            pixels, 200 an inch: 56:7 is drawn at 4 pixels a cell, 224:7 at 2 (a 7×7 map is then 14 pixels wide).
        width: as in `draw`.
        title: as in `draw`.
    """
    if not view.picture.size:
        raise UnitscopeError("a stored structure has no maps to draw; run `unitscope structure` again with -o")
    with theme.context(width):
        form = _form(view, proportional)
        placed = bands(view.columns, form, room())
        last = placed[-1] if placed else []
        top = min((stack.tiles[0].top for stack in last if stack.tiles), default=0)
        panel = place_panel(_panel_sizes(view), last, top=top, limit=room())
        _, bottom = extent(panel, 0, max((stack.bottom for stack in last), default=0))
        heading = f"{view.image_name} in {view.network}" if title is None else title
        sheet = Sheet.of(bottom + GAP, title=heading, caption=_caption(view, form))
        canvas, whole = sheet.canvas(), [stack for band in placed for stack in band]
        _headers(canvas, whole)
        for column, stack in zip(view.columns, whole, strict=True):
            _maps(canvas, column, stack)
        _panel(canvas, view, panel)
        return sheet.figure


def _form(view: Structure, proportional: bool) -> Form:
    sizes = [column.maps.shape[1:] for column in view.columns]
    if proportional:
        scale = scale_of(sizes)
        while (
            max((stack.width for stack in stacks(view.columns, Proportional(scale), left=0, top=0)), default=0) > room()
        ):
            scale /= 2
        return Proportional(scale)
    count = max(1, len(sizes))
    return Equal(max(SMALLEST, min(TILE, (room() - (count - 1) * GAP) // count)))


def _side(most: int) -> int:
    """Return the side of a picture beside the columns: two fit side by side."""
    return min(most, room() // 2 - GAP)


def _caption(view: Structure, form: Form) -> str:
    most = max((len(column.units) for column in view.columns), default=0)
    single = any(column.maps.shape[1:] == (1, 1) for column in view.columns)
    return (
        f"Columns: layers from shallow to deep, each with its units of highest {view.ranked_by} (at most {most}), "
        f"numbered; {form.words}. {CAPTION}" + " Single cells are compared within their layer." * single
    )


def _panel_sizes(view: Structure) -> list[list[tuple[int, int]]]:
    picture = Box(0, 0, _side(PICTURE), _side(PICTURE)).fit(*view.picture.shape[:2])
    chances = [(_side(PICTURE), len(view.predictions) * CHANCE)] if view.predictions else []
    enlarged = [(_side(ENLARGED), _label_height(entry) + _enlarged_shape(entry)[0]) for entry in view.enlarged]
    return [[(picture.width, picture.height), *chances], enlarged]


def _labels(entry: Enlargement) -> list[str]:
    name = wrap(f"{entry.layer.name}:{entry.unit}", theme.BODY, _side(ENLARGED), after=".", most=2)
    return [*name, f"α = {number(entry.response)}"]


def _label_height(entry: Enlargement) -> int:
    return len(_labels(entry)) * theme.line(theme.BODY) + ROW_GAP


def _enlarged_shape(entry: Enlargement) -> tuple[int, int]:
    rows, columns = entry.map.shape
    factor = min(64, _side(ENLARGED) // max(rows, columns))
    box = Box(0, 0, _side(ENLARGED), _side(ENLARGED)).fit(rows, columns)
    return (rows * factor, columns * factor) if factor else (box.height, box.width)


def _headers(canvas: Canvas, placed: list[Stack]) -> None:
    for stack in placed:
        foot = (stack.tiles[0].top if stack.tiles else stack.bottom) - ROW_GAP
        for index, text in enumerate(stack.header):
            style = {
                "size": theme.SMALL,
                "color": theme.QUIET if index >= len(stack.header) - stack.quiet else theme.INK,
            }
            if not stack.turned:
                canvas.write(stack.left, foot - (len(stack.header) - index) * NUMBER, text, **style)
            else:
                middle = stack.left + stack.width / 2 + (index - (len(stack.header) - 1) / 2) * NUMBER
                canvas.write(middle, foot, text, ha="center", va="bottom", rotation=90, **style)


def _maps(canvas: Canvas, column: LayerTopUnits, stack: Stack) -> None:
    tones = column_tones(column.maps)
    for unit, values, tile in zip(column.units, tones, stack.tiles, strict=True):
        canvas.image(_shown(values, tile), tile)
        middle = tile.left + tile.width / 2
        canvas.write(middle, tile.bottom + 3, str(unit), ha="center", size=theme.SMALL, color=theme.QUIET)


def _shown(values: Tones, box: Box) -> Tones:
    if box.width >= values.shape[1]:
        return values
    return np.asarray(Image.fromarray(values).resize((box.width, box.height), Image.Resampling.BOX))


def _panel(canvas: Canvas, view: Structure, boxes: list[Box]) -> None:
    picture, *rest = boxes
    canvas.image(resized(view.picture, picture), picture)
    if view.predictions:
        _predictions(canvas, view.predictions, rest.pop(0))
    for entry, box in zip(view.enlarged, rest, strict=True):
        _enlarged(canvas, entry, box)


def _predictions(canvas: Canvas, predictions: tuple[Prediction, ...], box: Box) -> None:
    for index, entry in enumerate(predictions):
        top = box.top + index * CHANCE
        name = shorten(entry.name, theme.BODY, box.width - 120)
        canvas.write(box.left, top, name)
        canvas.write(box.right, top, f"{entry.probability:.1%}", ha="right", color=theme.QUIET)
        bar = Box(box.left, top + theme.line(theme.BODY), box.width, 5)
        canvas.fill(bar, theme.BLANK)
        canvas.fill(Box(bar.left, bar.top, round(box.width * entry.probability), 5), theme.ACCENT)


def _enlarged(canvas: Canvas, entry: Enlargement, box: Box) -> None:
    *names, response = _labels(entry)
    for index, text in enumerate((*names, response)):
        colour = theme.QUIET if index == len(names) else theme.INK
        canvas.write(box.left, box.top + index * theme.line(theme.BODY), text, color=colour)
    rows, columns = _enlarged_shape(entry)
    tile = Box(box.left, box.top + _label_height(entry), columns, rows)
    canvas.image(_shown(tone(entry.map), tile), tile)
