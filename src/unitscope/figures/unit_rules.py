"""The units that a rule found, with their maps over its images and their exemplars (paper, figure 4).

In: a `RuleSheet`, plain arrays. Out: a matplotlib Figure, neither shown nor saved.
One row per unit; the rule's images are at the head of their columns, the exemplars to the right.
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
from unitscope.figures.text_layout import number, shorten, width, wrap
from unitscope.figures.tile_layout import GAP, MARGIN, Box, Canvas, resized

TILE, SEAM, LABEL, NARROWEST = 184, 8, 260, 1000
LINE, SMALL_LINE, TITLE_LINE = theme.line(theme.BODY), theme.line(theme.SMALL), theme.line(theme.TITLE)
ROW = TILE + SMALL_LINE + GAP


@dataclass(frozen=True, slots=True)
class _Plan:
    """The layout: the lines above, the tops of heads and rows, the columns, the caption, the size."""

    title: list[str]
    note: list[str]
    head: int
    rows: int
    columns: list[int]
    exemplars: list[int]
    caption: list[str]
    width: int
    height: int

    @property
    def caption_top(self) -> int:
        return self.height - MARGIN - len(self.caption) * SMALL_LINE


@draw.register
def rules(sheet: RuleSheet) -> Figure:
    """Return the figure of a rule's units: one row each, with its maps over the rule's images, then its exemplars."""
    with theme.context():
        plan = _plan(sheet)
        canvas = Canvas.blank(plan.width, plan.height)
        for index, text in enumerate(plan.title):
            canvas.write(MARGIN, MARGIN + index * TITLE_LINE, text, size=theme.TITLE)
        for index, text in enumerate(plan.note):
            top = MARGIN + len(plan.title) * TITLE_LINE + index * LINE
            canvas.write(MARGIN, top, text, color=theme.QUIET)
        _heads(canvas, sheet, plan)
        for index, row in enumerate(sheet.rows):
            _row(canvas, sheet, row, plan, top=plan.rows + index * ROW)
        for index, text in enumerate(plan.caption):
            top = plan.caption_top + index * SMALL_LINE
            canvas.write(MARGIN, top, text, size=theme.SMALL, color=theme.QUIET)
        return canvas.figure


def _plan(sheet: RuleSheet) -> _Plan:
    step = TILE + SEAM
    columns = [MARGIN + LABEL + n * step + GAP * _turns(sheet.images, n) for n in range(len(sheet.images))]
    first = (columns[-1] + TILE if columns else MARGIN + LABEL) + 2 * GAP
    exemplars = [first + n * step for n in range(max((len(row.exemplars) for row in sheet.rows), default=0))]
    across = max([NARROWEST, *(left + TILE + MARGIN for left in columns + exemplars)])
    title = wrap(sheet.title, theme.TITLE, across - 2 * MARGIN, most=3)
    note = wrap(f"{sheet.note} {sheet.network}", theme.BODY, across - 2 * MARGIN)
    caption = wrap(_caption(sheet), theme.SMALL, across - 2 * MARGIN)
    head = MARGIN + len(title) * TITLE_LINE + len(note) * LINE + GAP
    rows = head + 2 * SMALL_LINE + TILE + 2 * GAP
    height = rows + len(sheet.rows) * ROW + GAP + len(caption) * SMALL_LINE + MARGIN
    return _Plan(title, note, head, rows, columns, exemplars, caption, across, height)


def _turns(images: tuple[RuleImage, ...], index: int) -> int:
    """Return how often, up to an image, another group begins."""
    return sum(a.group != b.group for a, b in pairwise(images[: index + 1]))


def _caption(sheet: RuleSheet) -> str:
    if not sheet.rows:
        return "The given images, resized and cropped as for the network; the rule selects no unit."
    return (
        "Top row: the given images, resized and cropped as for the network. One row per unit: its activation map over "
        f"each of them, with α of that image, then over its exemplars, the images of the atlas with its "
        f"highest α. {CAPTION}"
    )


def _heads(canvas: Canvas, sheet: RuleSheet, plan: _Plan) -> None:
    for image, left in zip(sheet.images, plan.columns, strict=True):
        word = "not " if image.excluded else ""
        whole = image.image == image.group  # the end of a file name is the most informative
        name = word + shorten(image.group, theme.BODY, TILE - width(word, theme.BODY), keep_end=whole)
        canvas.write(left, plan.head, name, color=theme.QUIET if image.excluded else theme.ACCENT)
        if not whole:
            text = shorten(image.image, theme.SMALL, TILE, keep_end=True)
            canvas.write(left, plan.head + LINE, text, size=theme.SMALL, color=theme.QUIET)
        _tile(canvas, image.picture, Box(left, plan.head + 2 * SMALL_LINE + 6, TILE, TILE))
    if plan.exemplars:
        canvas.write(plan.exemplars[0], plan.rows - LINE - 6, "Exemplars")


def _row(canvas: Canvas, sheet: RuleSheet, row: RuleRow, plan: _Plan, *, top: int) -> None:
    canvas.write(MARGIN, top, f"unit {row.unit}", size=theme.TITLE)
    for index, text in enumerate(row.note):
        line = top + TITLE_LINE + 6 + index * SMALL_LINE
        canvas.write(MARGIN, line, shorten(text, theme.SMALL, LABEL - SEAM), size=theme.SMALL, color=theme.QUIET)
    below = top + TILE + 4
    for image, map_, response, left in zip(sheet.images, row.maps, row.responses, plan.columns, strict=True):
        _tile(canvas, _overlaid(image.picture, map_), Box(left, top, TILE, TILE))
        canvas.write(left, below, f"α = {number(response)}", size=theme.SMALL)
    for exemplar, left in zip(row.exemplars, plan.exemplars, strict=False):
        _tile(canvas, _overlaid(exemplar.picture, exemplar.map), Box(left, top, TILE, TILE))
        text = shorten(exemplar.label or exemplar.image, theme.SMALL, TILE, keep_end=not exemplar.label)
        canvas.write(left, below, text, size=theme.SMALL, color=theme.ACCENT if exemplar.label else theme.QUIET)


def _overlaid(picture: Picture | None, map_: NDArray[np.float32] | None) -> Picture | None:
    return None if picture is None or map_ is None else overlay(picture, tone(map_))


def _tile(canvas: Canvas, picture: Picture | None, box: Box) -> None:
    if picture is None:
        canvas.blank_tile(box)
    else:
        fitted = box.fit(*picture.shape[:2])
        canvas.image(resized(picture, fitted), fitted)
