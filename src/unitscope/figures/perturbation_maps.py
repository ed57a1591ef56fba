"""Units before and after perturbations: images, clean and perturbed, and maps (paper, figure 7).

In: a `PerturbedSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
One block per unit, with one column per image; for each state of the picture, a row of pictures over a row of maps.
"""

import numpy as np
from matplotlib.figure import Figure

from unitscope.display.heatmaps import GAMMA, PERCENTILE, Tones, tone
from unitscope.display.perturbed_sheet import PerturbedImage, PerturbedMap, PerturbedSheet, PerturbedUnit
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.perturbation import name_of
from unitscope.figures.text_layout import minus, number, shorten, widest, width, wrap
from unitscope.figures.tile_layout import GAP, MARGIN, Box, Canvas, resized
from unitscope.text import count_noun

TILE, SEAM, NARROWEST = 152, 6, 1000
LINE, SMALL_LINE, TITLE_LINE = theme.line(theme.BODY), theme.line(theme.SMALL), theme.line(theme.TITLE)
STATE = 2 * TILE + SEAM + SMALL_LINE + 4 + GAP
CAPTION = (
    "Each unit on its images of highest response α: the picture as the network sees it, the activation map below, and "
    "r, the correlation of that map with the clean picture's. Tones: all maps of one image share one scale, from their "
    f"least value (dark) to the {PERCENTILE}th percentile of the cells above it (bright), to the power {GAMMA}."
)


@draw.register
def perturbed(sheet: PerturbedSheet) -> Figure:
    """Return the figure of units before and after perturbations: one block per unit, one column per image."""
    with theme.context():
        states = ["Clean", *(name_of(*each) for each in sheet.perturbations)]
        label = round(widest(states, theme.BODY)) + 2 * GAP
        most = max((len(unit.images) for unit in sheet.units), default=0)
        across = max(NARROWEST, 2 * MARGIN + label + most * (TILE + SEAM) - SEAM)
        caption = wrap(CAPTION, theme.SMALL, across - 2 * MARGIN)
        head = MARGIN + TITLE_LINE + GAP
        block = LINE + SMALL_LINE + 6 + len(states) * STATE + GAP
        bottom = head + len(sheet.units) * block
        canvas = Canvas.blank(across, bottom + len(caption) * SMALL_LINE + MARGIN)
        canvas.write(MARGIN, MARGIN, shorten(_title(sheet), theme.TITLE, across - 2 * MARGIN), size=theme.TITLE)
        for index, unit in enumerate(sheet.units):
            _block(canvas, unit, states, Box(MARGIN, head + index * block, across - 2 * MARGIN, block), label)
        for index, text in enumerate(caption):
            canvas.write(MARGIN, bottom + index * SMALL_LINE, text, size=theme.SMALL, color=theme.QUIET)
        return canvas.figure


def _title(sheet: PerturbedSheet) -> str:
    count = len(sheet.units)
    return f"{count_noun(count, 'unit')} of {sheet.network}, images clean and perturbed"


def _block(canvas: Canvas, unit: PerturbedUnit, states: list[str], box: Box, label: int) -> None:
    name = shorten(f"{unit.layer.name}:{unit.unit}", theme.BODY, box.width, keep_end=True)
    canvas.write(box.left, box.top, name, color=theme.ACCENT)
    top = box.top + LINE + SMALL_LINE + 6
    if not unit.images:
        canvas.write(box.left, top, "None of its images can be read.", color=theme.QUIET)
        return
    for index, state in enumerate(states):
        canvas.write(box.left, top + index * STATE, state)
    for index, image in enumerate(unit.images):
        left = box.left + label + index * (TILE + SEAM)
        text = shorten(image.image, theme.SMALL, TILE, keep_end=True)
        canvas.write(left, box.top + LINE, text, size=theme.SMALL, color=theme.QUIET)
        _column(canvas, image, left, top)


def _column(canvas: Canvas, image: PerturbedImage, left: int, top: int) -> None:
    states = [image.clean, *image.changed]
    tones = tone(np.stack([state.map for state in states]))
    for index, (state, map_) in enumerate(zip(states, tones, strict=True)):
        _state(canvas, state, map_, Box(left, top + index * STATE, TILE, TILE), clean=index == 0)


def _state(canvas: Canvas, state: PerturbedMap, tones: Tones, box: Box, *, clean: bool) -> None:
    fitted = box.fit(*state.picture.shape[:2])
    canvas.image(resized(state.picture, fitted), fitted)
    below = box.moved(0, TILE + SEAM)
    canvas.image(tones, below.fit(*tones.shape))
    known = np.isfinite(state.correlation)
    text = minus(f"α {number(state.response)}" if clean else f"r {state.correlation:.2f}" if known else "r –")
    canvas.write(box.left, below.bottom + 4, text, size=theme.SMALL)
    if not clean:
        beside = width(text, theme.SMALL) + 2 * SEAM  # near its own r, not the next image's
        alpha = _alpha(state.response, TILE - beside)
        canvas.write(box.left + beside, below.bottom + 4, alpha, size=theme.SMALL, color=theme.QUIET)


def _alpha(response: float, room: float) -> str:
    """Return α with as many digits as there is room for, up to three."""
    texts = [minus(f"α {response:.{digits}g}") for digits in (3, 2, 1)]
    return next((text for text in texts if width(text, theme.SMALL) <= room), "")
