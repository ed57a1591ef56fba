"""The units that a rule found, with their maps over its images and their exemplars (paper, figure 4).

In: a `RuleSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
One row per unit below the rule's images; the exemplars to the right, or below where these don't fit.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unitscope.display.heatmaps import CAPTION, Picture, overlay, tone
from unitscope.display.rule_sheet import RuleImage, RuleRow, RuleSheet
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.sheet import TALLEST, Sheet, fitting, left_out, room
from unitscope.figures.text_layout import number, shorten, width, wrap
from unitscope.figures.tile_layout import GAP, Box, Canvas, resized

SEAM, NARROWEST, WIDEST = 6, 84, 184
LINE, SMALL_LINE = theme.line(theme.BODY), theme.line(theme.SMALL)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The side of a tile, the columns of the images and of the exemplars, and how far down the exemplars are."""

    side: int
    images: list[int]
    exemplars: list[int]
    below: int

    @classmethod
    def of(cls, sheet: RuleSheet) -> "_Plan":
        exemplars = max((len(row.exemplars) for row in sheet.rows), default=0)
        images, groups = len(sheet.images), _turns(sheet.images, len(sheet.images) - 1)
        gaps = (images + exemplars - 1) * SEAM + groups * GAP + (2 * GAP if exemplars else 0)
        side = (room() - gaps) // max(1, images + exemplars)
        if beside := side >= NARROWEST:
            side = min(side, WIDEST)
        else:
            most = max(images, exemplars)
            side = min((room() - (most - 1) * SEAM - groups * GAP) // most, WIDEST)
        step = side + SEAM
        columns = [n * step + GAP * _turns(sheet.images, n) for n in range(images)]
        first = (columns[-1] + step + 2 * GAP if columns else 0) if beside else 0
        below = 0 if beside else side + 2 * SMALL_LINE + SEAM
        return cls(side, columns, [first + n * step for n in range(exemplars)], below)

    @property
    def row(self) -> int:
        return self.side + SMALL_LINE + self.below


@draw.register
def rules(sheet: RuleSheet, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the figure of a rule's units: one row each, with its maps over the rule's images, then its exemplars.

    It has as many units as a page holds.
    """
    with theme.context(width):
        plan = _Plan.of(sheet)
        note = wrap(f"{sheet.note} {sheet.network}", theme.BODY, room())
        names = [wrap(_name(row), theme.BODY, room()) for row in sheet.rows]
        heads = len(note) * LINE + GAP
        first = heads + 2 * SMALL_LINE + 6 + plan.side + GAP
        heights = [len(lines) * LINE + 4 + plan.row + GAP for lines in names]
        shown = fitting(heights, TALLEST - first)
        caption = _caption(sheet) + left_out(shown, len(heights))
        height = first + sum(heights[:shown])
        drawn = Sheet.of(height, title=sheet.title if title is None else title, caption=caption)
        drawn.lines(0, 0, note, size=theme.BODY, color=theme.QUIET)
        canvas = drawn.canvas()
        _heads(canvas, sheet, plan, heads)
        tops = np.cumsum([first, *heights])
        for row, lines, top in zip(sheet.rows[:shown], names, tops.tolist(), strict=False):
            drawn.lines(0, top, lines, size=theme.BODY, color=theme.ACCENT)
            _row(canvas, sheet, row, plan, top + len(lines) * LINE + 4)
        return drawn.figure


def _turns(images: tuple[RuleImage, ...], index: int) -> int:
    """Return how often, up to an image, another group begins."""
    return sum(a.group != b.group for a, b in pairwise(images[: index + 1]))


def _name(row: RuleRow) -> str:
    return ", ".join([f"unit {row.unit}", *row.note])


def _caption(sheet: RuleSheet) -> str:
    if not sheet.rows:
        return "The given images, resized and cropped as for the network; the rule selects no unit."
    return (
        "Top row: the given images, resized and cropped as for the network. Below, for each unit: each of them where "
        "the unit's activation map is bright, with α of that image, then its exemplars, the images of the atlas with "
        f"its highest α. {CAPTION}"
    )


def _heads(canvas: Canvas, sheet: RuleSheet, plan: _Plan, top: int) -> None:
    for image, left in zip(sheet.images, plan.images, strict=True):
        word = "not " if image.excluded else ""
        whole = image.image == image.group  # the end of a file name is the most informative
        name = word + shorten(
            image.group, theme.SMALL, plan.side - width(word, theme.SMALL), keep_end=whole or ":" in image.group
        )
        colour = theme.QUIET if image.excluded else theme.ACCENT
        canvas.write(left, top, name, size=theme.SMALL, color=colour)
        if not whole:
            text = shorten(image.image, theme.SMALL, plan.side, keep_end=True)
            canvas.write(left, top + SMALL_LINE, text, size=theme.SMALL, color=theme.QUIET)
        _tile(canvas, image.picture, Box(left, top + 2 * SMALL_LINE + 6, plan.side, plan.side))
    if plan.exemplars and not plan.below:
        canvas.write(plan.exemplars[0], top + 2 * SMALL_LINE + plan.side - SMALL_LINE, "Exemplars", size=theme.SMALL)


def _row(canvas: Canvas, sheet: RuleSheet, row: RuleRow, plan: _Plan, top: int) -> None:
    for image, map_, response, left in zip(sheet.images, row.maps, row.responses, plan.images, strict=True):
        _overlaid(canvas, image.picture, map_, Box(left, top, plan.side, plan.side))
        canvas.write(left, top + plan.side + 2, _alpha(response, plan.side), size=theme.SMALL)
    down = top + plan.below
    if plan.below and row.exemplars:
        canvas.write(0, down - SMALL_LINE, "Exemplars", size=theme.SMALL)
    for exemplar, left in zip(row.exemplars, plan.exemplars, strict=False):
        _overlaid(canvas, exemplar.picture, exemplar.map, Box(left, down, plan.side, plan.side))
        text = shorten(exemplar.label or exemplar.image, theme.SMALL, plan.side, keep_end=not exemplar.label)
        colour = theme.ACCENT if exemplar.label else theme.QUIET
        canvas.write(left, down + plan.side + 2, text, size=theme.SMALL, color=colour)


def _alpha(response: float, room: float) -> str:
    text = f"α = {number(response)}"
    return text if width(text, theme.SMALL) <= room else shorten(f"α {response:.2g}", theme.SMALL, room)


def _overlaid(canvas: Canvas, picture: Picture | None, map_: NDArray[np.float32] | None, box: Box) -> None:
    tones = None if map_ is None else tone(map_)
    if picture is None or tones is None:
        canvas.blank_tile(box)
    else:
        _tile(canvas, overlay(picture, tones), box)


def _tile(canvas: Canvas, picture: Picture | None, box: Box) -> None:
    if picture is None:
        canvas.blank_tile(box)
    else:
        fitted = box.fit(*picture.shape[:2])
        canvas.image(resized(picture, fitted), fitted)
