"""Inhibitory units: bright everywhere but on a concept (paper, figure 3).

In: an `InhibitionSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
One row per unit; each image is a block of three tiles: picture, activation map, and both overlaid, with the concept
outlined.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from unitscope.analyses.inhibition import found_units
from unitscope.display.heatmaps import GAMMA, PERCENTILE, Tones, tone
from unitscope.display.inhibition_sheet import InhibitedUnit, InhibitionExample, InhibitionSheet
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.sheet import Sheet, fitting, left_out, room
from unitscope.figures.text_layout import minus, shorten, width, wrap
from unitscope.figures.tile_layout import GAP, Box, Canvas
from unitscope.figures.unit_tiles import TileRows, draw_tiles
from unitscope.text import count_noun

LINE, SMALL_LINE = theme.line(theme.BODY), theme.line(theme.SMALL)
MOST = 4


@draw.register
def inhibition(sheet: InhibitionSheet, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the figure of a layer's most inhibitory units, the most inhibitory first, as many as a page holds."""
    heading = f"{found_units(sheet.layer, sheet.concept, sheet.by)}, in {sheet.network}" if title is None else title
    with theme.context(width):
        most = max((len(unit.examples) for unit in sheet.units), default=1)
        rows = TileRows.of(most, room(), most=MOST)
        blocks = [_Unit.below(unit, rows) for unit in sheet.units]
        shown = fitting([block.height for block in blocks])
        height = sum(block.height for block in blocks[:shown])
        drawn = Sheet.of(height, title=heading, caption=_caption(sheet) + left_out(shown, len(blocks)))
        canvas, top = drawn.canvas(), 0
        for block in blocks[:shown]:
            block.draw(canvas, top)
            top += block.height
        return drawn.figure


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
        "activation map, the picture where the map is bright. Tones: one scale for all maps of a unit, from their "
        f"lowest value (dark) to the {PERCENTILE}th percentile of the cells above it (bright), to the power {GAMMA}."
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """One unit: the lines of its note, and its examples in rows."""

    unit: InhibitedUnit
    note: list[str]
    rows: TileRows

    @classmethod
    def below(cls, unit: InhibitedUnit, rows: TileRows) -> "_Unit":
        return cls(unit, wrap(minus(f"unit {unit.unit}: {unit.note}"), theme.BODY, room()), rows)

    @property
    def block(self) -> int:
        return 2 * SMALL_LINE + self.rows.side + GAP

    @property
    def height(self) -> int:
        return len(self.note) * LINE + 6 + self.rows.down(len(self.unit.examples)) * self.block + GAP

    def draw(self, canvas: Canvas, top: int) -> None:
        for index, text in enumerate(self.note):
            canvas.write(0, top + index * LINE, text, color=theme.ACCENT)
        first = top + len(self.note) * LINE + 6
        for index, (example, tones) in enumerate(zip(self.unit.examples, _tones(self.unit.examples), strict=True)):
            left, down = self.rows.place(index, self.block)
            _block(canvas, example, tones, self.rows, left, first + down)


def _tones(examples: tuple[InhibitionExample, ...]) -> list[Tones | None]:
    """Return all maps of a unit on one scale, so that a weak map looks dark."""
    maps = [example.map for example in examples if example.map is not None]
    toned = iter(tone(np.stack(maps)) if maps else ())
    return [None if example.map is None else next(toned) for example in examples]


def _block(
    canvas: Canvas, example: InhibitionExample, tones: Tones | None, rows: TileRows, left: int, top: int
) -> None:
    name = shorten(example.image, theme.SMALL, rows.block, keep_end=True)
    canvas.write(left, top, name, size=theme.SMALL, color=theme.QUIET)
    boxes = draw_tiles(canvas, rows.tiles(left, top + SMALL_LINE), example.picture, tones)
    if example.picture is None or tones is None:
        return
    if example.mask is not None:
        for tile in boxes:
            _outline(canvas, example.mask, tile)
    bottom, note = top + SMALL_LINE + rows.side + 4, minus(example.note)
    canvas.write(left, bottom, note, size=theme.SMALL)
    beside = width(note, theme.SMALL) + GAP
    label = shorten(example.label, theme.SMALL, max(0.0, rows.block - beside))
    colour = theme.ACCENT if example.has_concept else theme.QUIET
    canvas.write(left + rows.block, bottom, label, ha="right", size=theme.SMALL, color=colour)


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
        linewidths=0.8,
        zorder=3,
    )
    outline.set_path_effects([withStroke(linewidth=1.6, foreground=theme.INK)])
