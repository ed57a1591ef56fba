"""One image's structure: the units it activates most, layer by layer (paper, figure 1).

In: a `Structure`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
The columns run from shallow to deep, all maps at one scale; the picture, its predictions and enlarged maps
lie beside them, or below the deep columns where these leave room.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from unitscope.display.heatmaps import CAPTION, Tones, column_tones, tone
from unitscope.display.structure import Enlargement, LayerTopUnits, Prediction, Structure
from unitscope.errors import UnitscopeError
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.structure_layout import (
    NUMBER,
    ROW_GAP,
    Stack,
    extent,
    header_height,
    place_panel,
    scale_of,
    stacks,
)
from unitscope.figures.text_layout import number, shorten, wrap
from unitscope.figures.tile_layout import GAP, MARGIN, Box, Canvas, resized

PICTURE, ENLARGED = 448, 336
CHANCE = theme.line(theme.BODY) + 16
HEAD = MARGIN + theme.line(theme.TITLE) + GAP


@dataclass(frozen=True, slots=True)
class _Plan:
    """The layout: the columns, the blocks beside or below them, the caption, the sheet's size."""

    stacks: list[Stack]
    panel: list[Box]
    caption: list[str]
    caption_top: int
    width: int
    height: int


@draw.register
def structure(view: Structure, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the figure of one image's structure: the top maps of each layer, stacked, in true proportion.

    All columns share one scale, and a cell is a whole number of pixels at 150 dpi, drawn sharp. The sheet
    grows with the maps: 56:7 is drawn at 4 pixels a cell, 224:7 at 2 (a 7×7 map is then 14 pixels wide), and
    a stack higher than 2500 pixels folds into several side by side, read downwards first.
    """
    if not view.picture.size:
        raise UnitscopeError("a stored structure has no maps to draw; run `unitscope structure` again with -o")
    with theme.context(width):
        plan = _plan(view)
        canvas = Canvas.blank(plan.width, plan.height)
        _title(canvas, f"{view.image} in {view.network}" if title is None else title, plan)
        _headers(canvas, plan.stacks)
        for column, stack in zip(view.columns, plan.stacks, strict=True):
            _maps(canvas, column, stack)
        _panel(canvas, view, plan.panel)
        for index, text in enumerate(plan.caption):
            top = plan.caption_top + index * NUMBER
            canvas.write(MARGIN, top, text, size=theme.SMALL, color=theme.QUIET)
        return canvas.figure


def _plan(view: Structure) -> _Plan:
    scale = scale_of([column.maps.shape[1:] for column in view.columns])
    head = header_height(stacks(view.columns, scale, left=MARGIN, top=0))
    placed = stacks(view.columns, scale, left=MARGIN, top=HEAD + head + ROW_GAP)
    panel = place_panel(_panel_sizes(view), placed, top=HEAD)
    columns_right = max((stack.left + stack.width for stack in placed), default=MARGIN)
    right, bottom = extent(panel, columns_right, max((stack.bottom for stack in placed), default=HEAD))
    caption = wrap(_caption(view, scale), theme.SMALL, right - MARGIN)
    top = bottom + 2 * GAP
    return _Plan(placed, panel, caption, top, right + MARGIN, top + len(caption) * NUMBER + MARGIN)


def _caption(view: Structure, scale: float) -> str:
    most = max((len(column.units) for column in view.columns), default=0)
    single = any(column.maps.shape[1:] == (1, 1) for column in view.columns)
    return (
        f"Columns: layers from shallow to deep, each with its units of highest response α (at most {most}), "
        f"numbered; all maps in true proportion ({scale:.3g} px per cell). {CAPTION}"
        + " Single cells are compared within their layer."
        * single
    )


def _panel_sizes(view: Structure) -> list[list[tuple[int, int]]]:
    picture = Box(0, 0, PICTURE, PICTURE).fit(*view.picture.shape[:2])
    chances = [(PICTURE, len(view.predictions) * CHANCE)] if view.predictions else []
    enlarged = [(ENLARGED, _label_height(entry) + _enlarged_shape(entry)[0]) for entry in view.enlarged]
    return [[(picture.width, picture.height), *chances], enlarged]


def _labels(entry: Enlargement) -> list[str]:
    name = wrap(f"{entry.layer.name}:{entry.unit}", theme.BODY, ENLARGED, after=".", most=2)
    return [*name, f"α = {number(entry.response)}"]


def _label_height(entry: Enlargement) -> int:
    return len(_labels(entry)) * theme.line(theme.BODY) + ROW_GAP


def _enlarged_shape(entry: Enlargement) -> tuple[int, int]:
    rows, columns = entry.map.shape
    factor = min(64, ENLARGED // max(rows, columns))
    box = Box(0, 0, ENLARGED, ENLARGED).fit(rows, columns)
    return (rows * factor, columns * factor) if factor else (box.height, box.width)


def _title(canvas: Canvas, title: str, plan: _Plan) -> None:
    canvas.write(MARGIN, MARGIN, shorten(title, theme.TITLE, plan.width - 2 * MARGIN), size=theme.TITLE)


def _headers(canvas: Canvas, placed: list[Stack]) -> None:
    for stack in placed:
        foot = (stack.tiles[0].top if stack.tiles else stack.bottom) - ROW_GAP
        for index, text in enumerate(stack.header):
            style = {
                "size": theme.SMALL,
                "color": theme.QUIET if index == len(stack.header) - 1 else theme.INK,
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
