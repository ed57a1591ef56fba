"""Units before and after perturbations: images, clean and perturbed, and maps (paper, figure 7).

In: a `PerturbedSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
One block per unit, with one column per image; for each state of the picture, a row of pictures over a row of maps.
"""

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure

from unitscope.display.heatmaps import GAMMA, PERCENTILE, Tones, tone
from unitscope.display.perturbed_sheet import PerturbedImage, PerturbedMap, PerturbedSheet, PerturbedUnit
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.perturbation import name_of
from unitscope.figures.sheet import TALLEST, Sheet, fitting, left_out, room
from unitscope.figures.text_layout import minus, number, shorten, widest, width, wrap
from unitscope.figures.tile_layout import GAP, Box, Canvas, resized
from unitscope.text import count_noun

SEAM, NARROWEST, WIDEST = 6, 80, 152
LINE, SMALL_LINE = theme.line(theme.BODY), theme.line(theme.SMALL)
CAPTION = (
    "Each unit on its images of highest response α: the picture as the network sees it, the activation map below, and "
    "r, the correlation of that map with the clean picture's. Tones: all maps of one image share one scale, from their "
    f"least value (dark) to the {PERCENTILE}th percentile of the cells above it (bright), to the power {GAMMA}."
)


@draw.register
def perturbed(sheet: PerturbedSheet, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the figure of units before and after perturbations: one block per unit, one column per image."""
    with theme.context(width):
        plan = _Plan.of(sheet)
        blocks = [_Block.of(unit, plan) for unit in sheet.units]
        shown = fitting([block.height for block in blocks])
        caption = CAPTION + left_out(shown, len(blocks)) + plan.images_left_out(sheet)
        height = sum(block.height for block in blocks[:shown])
        drawn = Sheet.of(height, title=_title(sheet) if title is None else title, caption=caption)
        canvas, top = drawn.canvas(), 0
        for block in blocks[:shown]:
            block.draw(canvas, top)
            top += block.height
        return drawn.figure


def _title(sheet: PerturbedSheet) -> str:
    count = len(sheet.units)
    return f"{count_noun(count, 'unit')} of {sheet.network}, images clean and perturbed"


@dataclass(frozen=True, slots=True)
class _Plan:
    """The names of the states, the room of these names, the columns of a row, the side of a tile."""

    states: tuple[str, ...]
    label: int
    across: int
    side: int

    @classmethod
    def of(cls, sheet: PerturbedSheet) -> "_Plan":
        states = ("Clean", *(name_of(*each) for each in sheet.perturbations))
        label = round(widest(states, theme.SMALL)) + GAP
        most = max((len(unit.images) for unit in sheet.units), default=1)
        across = max(1, min(most, (room() - label + SEAM) // (NARROWEST + SEAM)))
        fits = min((room() - label + SEAM) // across - SEAM, _side_on_a_page(sheet, across, len(states)))
        return cls(states, label, across, max(NARROWEST, min(WIDEST, fits)))

    @property
    def state(self) -> int:
        return 2 * self.side + SEAM + SMALL_LINE + 4 + GAP

    @property
    def most(self) -> int:
        """How many images of a unit a page holds."""
        return max(1, TALLEST // self.row) * self.across

    def images_left_out(self, sheet: PerturbedSheet) -> str:
        count = max((len(unit.images) for unit in sheet.units), default=0)
        return f" The first {self.most} of {count} images." if count > self.most else ""

    @property
    def row(self) -> int:
        return SMALL_LINE + 4 + len(self.states) * self.state


def _side_on_a_page(sheet: PerturbedSheet, across: int, states: int) -> int:
    """Return the greatest side of tiles for which a page holds all units."""
    rows = sum(-(-len(unit.images) // across) for unit in sheet.units)
    free = TALLEST - len(sheet.units) * (2 * LINE + GAP) - rows * (SMALL_LINE + 4)
    return (free // max(1, rows * states) - SEAM - SMALL_LINE - 4 - GAP) // 2


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """One unit: its name, its images in rows."""

    unit: PerturbedUnit
    name: list[str]
    plan: _Plan

    @classmethod
    def of(cls, unit: PerturbedUnit, plan: _Plan) -> "_Block":
        name = wrap(f"{unit.layer.display_name}, unit {unit.unit}", theme.BODY, room(), most=2)
        return cls(replace(unit, images=unit.images[: plan.most]), name, plan)

    @property
    def height(self) -> int:
        rows = -(-len(self.unit.images) // self.plan.across)
        return len(self.name) * LINE + (rows * self.plan.row if rows else LINE) + GAP

    def draw(self, canvas: Canvas, top: int) -> None:
        for index, text in enumerate(self.name):
            canvas.write(0, top + index * LINE, text, color=theme.ACCENT)
        first, plan = top + len(self.name) * LINE, self.plan
        if not self.unit.images:
            canvas.write(0, first, "None of its images can be read.", color=theme.QUIET)
        for index, image in enumerate(self.unit.images):
            column, down = index % plan.across, first + index // plan.across * plan.row
            if column == 0:
                _name_states(canvas, plan, down + SMALL_LINE + 4)
            _column(canvas, image, plan, plan.label + column * (plan.side + SEAM), down)


def _name_states(canvas: Canvas, plan: _Plan, top: int) -> None:
    for index, state in enumerate(plan.states):
        canvas.write(0, top + index * plan.state, state, size=theme.SMALL)


def _column(canvas: Canvas, image: PerturbedImage, plan: _Plan, left: int, top: int) -> None:
    name = shorten(image.image, theme.SMALL, plan.side, keep_end=True)
    canvas.write(left, top, name, size=theme.SMALL, color=theme.QUIET)
    states = [image.clean, *image.changed]
    tones = tone(np.stack([state.map for state in states]))
    for index, (state, map_) in enumerate(zip(states, tones, strict=True)):
        box = Box(left, top + SMALL_LINE + 4 + index * plan.state, plan.side, plan.side)
        _state(canvas, state, map_, box, clean=index == 0)


def _state(canvas: Canvas, state: PerturbedMap, tones: Tones, box: Box, *, clean: bool) -> None:
    fitted = box.fit(*state.picture.shape[:2])
    canvas.image(resized(state.picture, fitted), fitted)
    below = box.moved(0, box.height + SEAM)
    canvas.image(tones, below.fit(*tones.shape))
    known = np.isfinite(state.correlation)
    text = minus(f"α {number(state.response)}" if clean else f"r {state.correlation:.2f}" if known else "r –")
    canvas.write(box.left, below.bottom + 4, text, size=theme.SMALL)
    if not clean:
        beside = width(text, theme.SMALL) + 2 * SEAM  # near its own r, not the next image's
        alpha = _alpha(state.response, box.width - beside)
        canvas.write(box.left + beside, below.bottom + 4, alpha, size=theme.SMALL, color=theme.QUIET)


def _alpha(response: float, room: float) -> str:
    """Return α with as many digits as there is room for, up to three."""
    texts = [minus(f"α {response:.{digits}g}") for digits in (3, 2, 1)]
    return next((text for text in texts if width(text, theme.SMALL) <= room), "")
