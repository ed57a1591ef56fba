"""Inhibitory units: bright everywhere but on a concept (paper, figure 3).

In: an `InhibitionSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
One row per unit; each image is a block of three tiles: picture, activation map, and both overlaid, with the concept
outlined.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from unitscope.analyses.inhibition import found_units
from unitscope.display.heatmaps import GAMMA, PERCENTILE, Tones, overlay, tone
from unitscope.display.inhibition_sheet import InhibitedUnit, InhibitionExample, InhibitionSheet
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.text_layout import minus, shorten, width, wrap
from unitscope.figures.tile_layout import GAP, MARGIN, Box, Canvas, resized
from unitscope.text import count_noun

TILE, SEAM = 150, 6
BLOCK = 3 * TILE + 2 * SEAM
LINE, SMALL_LINE, TITLE_LINE = theme.line(theme.BODY), theme.line(theme.SMALL), theme.line(theme.TITLE)
HEAD = MARGIN + TITLE_LINE + GAP
ROW = LINE + 6 + SMALL_LINE + TILE + SMALL_LINE + 2 * GAP
NARROWEST = 2 * BLOCK + 2 * GAP


@draw.register
def inhibition(sheet: InhibitionSheet) -> Figure:
    """Return the figure of a layer's most inhibitory units, one row each, the most inhibitory first."""
    with theme.context():
        across = max((len(unit.examples) for unit in sheet.units), default=0)
        room = max(NARROWEST, across * (BLOCK + 2 * GAP) - 2 * GAP)
        caption = wrap(_caption(sheet), theme.SMALL, room)
        bottom = HEAD + len(sheet.units) * ROW
        canvas = Canvas.blank(room + 2 * MARGIN, bottom + len(caption) * SMALL_LINE + MARGIN)
        title = f"{found_units(sheet.layer, sheet.concept, sheet.by)}, in {sheet.network}"
        canvas.write(MARGIN, MARGIN, shorten(title, theme.TITLE, room), size=theme.TITLE)
        for index, unit in enumerate(sheet.units):
            _row(canvas, unit, HEAD + index * ROW, room)
        for index, text in enumerate(caption):
            canvas.write(MARGIN, bottom + index * SMALL_LINE, text, size=theme.SMALL, color=theme.QUIET)
        return canvas.figure


def _caption(sheet: InhibitionSheet) -> str:
    if not sheet.units:
        return "No unit of this layer is dark on the concept and bright elsewhere."
    images = (
        f"of {count_noun(sheet.candidates, 'image')} with '{sheet.concept}' (outlined) and enough of the rest in view, "
        "those with the unit's highest mean response beside it, whatever the response on it"
        if sheet.by == "map contrast"
        else f"first images of '{sheet.concept}', then the other images to which the unit responds most"
    )
    return (
        f"One row per unit, the most inhibitory first; {images}: the image as the network sees it, the unit's "
        "activation map, the map over the picture. Tones: one scale for all maps of a unit, from their lowest value "
        f"(dark) to the {PERCENTILE}th percentile of the cells above it (bright), to the power {GAMMA}."
    )


def _row(canvas: Canvas, unit: InhibitedUnit, top: int, room: int) -> None:
    name = f"unit {unit.unit}"
    canvas.write(MARGIN, top, name, size=theme.BODY, color=theme.ACCENT)
    left = MARGIN + width(name, theme.BODY) + GAP
    canvas.write(left, top, shorten(minus(unit.note), theme.BODY, MARGIN + room - left))
    for index, (example, tones) in enumerate(zip(unit.examples, _tones(unit.examples), strict=True)):
        box = Box(MARGIN + index * (BLOCK + 2 * GAP), top + LINE + 6, BLOCK, 2 * SMALL_LINE + TILE)
        _block(canvas, example, tones, box)


def _tones(examples: tuple[InhibitionExample, ...]) -> list[Tones | None]:
    """Return all maps of a unit on one scale, so that a weak map looks dark."""
    maps = [example.map for example in examples if example.map is not None]
    toned = iter(tone(np.stack(maps)) if maps else ())
    return [None if example.map is None else next(toned) for example in examples]


def _block(canvas: Canvas, example: InhibitionExample, tones: Tones | None, box: Box) -> None:
    name = shorten(example.image, theme.SMALL, BLOCK, keep_end=True)
    canvas.write(box.left, box.top, name, size=theme.SMALL, color=theme.QUIET)
    boxes = [Box(box.left + n * (TILE + SEAM), box.top + SMALL_LINE, TILE, TILE) for n in range(3)]
    if example.picture is None or tones is None:
        for tile in boxes:
            canvas.blank_tile(tile)
        return
    boxes = [tile.fit(*example.picture.shape[:2]) for tile in boxes]
    picture = resized(example.picture, boxes[0])
    shown: tuple[NDArray[Any], ...] = (picture, tones, overlay(picture, tones))
    for values, tile in zip(shown, boxes, strict=True):
        canvas.image(values, tile)
        if example.mask is not None:
            _outline(canvas, example.mask, tile)
    bottom = box.bottom - SMALL_LINE + 4
    canvas.write(box.left, bottom, minus(example.note), size=theme.SMALL)
    left = box.left + width(example.note, theme.SMALL) + GAP
    label = shorten(example.label, theme.SMALL, max(0.0, box.right - left))
    colour = theme.ACCENT if example.has_concept else theme.QUIET
    canvas.write(box.right, bottom, label, ha="right", size=theme.SMALL, color=colour)


def _outline(canvas: Canvas, mask: NDArray[np.float32], box: Box) -> None:
    """Draw a white outline with a dark rim, visible on dark and bright alike; closed along the picture's edge."""
    rows, columns = mask.shape
    framed = np.pad(mask, 1)
    across = box.left + (np.arange(-1, columns + 1) + 0.5).clip(0, columns) * box.width / columns
    down = box.top + (np.arange(-1, rows + 1) + 0.5).clip(0, rows) * box.height / rows
    outline = canvas.axes.contour(
        across,
        down,
        framed,
        levels=[0.5],
        colors=theme.PAPER,
        linewidths=1,
        zorder=3,
    )
    outline.set_path_effects([withStroke(linewidth=2, foreground=theme.INK)])
