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
from unitscope.figures.tile_layout import GAP, MARGIN, Box, Sheet, resized

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
    with theme.look():
        plan = _plan(sheet)
        drawn = Sheet.blank(plan.width, plan.height)
        for place, text in enumerate(plan.title):
            drawn.write(MARGIN, MARGIN + place * TITLE_LINE, text, size=theme.TITLE)
        for place, text in enumerate(plan.note):
            top = MARGIN + len(plan.title) * TITLE_LINE + place * LINE
            drawn.write(MARGIN, top, text, color=theme.QUIET)
        _heads(drawn, sheet, plan)
        for place, row in enumerate(sheet.rows):
            _row(drawn, sheet, row, plan, top=plan.rows + place * ROW)
        for place, text in enumerate(plan.caption):
            top = plan.caption_top + place * SMALL_LINE
            drawn.write(MARGIN, top, text, size=theme.SMALL, color=theme.QUIET)
        return drawn.figure


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


def _turns(images: tuple[RuleImage, ...], place: int) -> int:
    """Return how often, up to an image, another group begins."""
    return sum(a.group != b.group for a, b in pairwise(images[: place + 1]))


def _caption(sheet: RuleSheet) -> str:
    if not sheet.rows:
        return "The given images, resized and cropped as for the network; the rule selects no unit."
    return (
        "Top row: the given images, resized and cropped as for the network. One row per unit: its activation map over "
        f"each of them, with α of that image, then over its exemplars, the images of the atlas with its "
        f"greatest α. {CAPTION}"
    )


def _heads(drawn: Sheet, sheet: RuleSheet, plan: _Plan) -> None:
    for image, left in zip(sheet.images, plan.columns, strict=True):
        word = "not " if image.excluded else ""
        whole = image.image == image.group  # of a file's name the end tells most
        name = word + shorten(image.group, theme.BODY, TILE - width(word, theme.BODY), keep_end=whole)
        drawn.write(left, plan.head, name, color=theme.QUIET if image.excluded else theme.ACCENT)
        if not whole:
            text = shorten(image.image, theme.SMALL, TILE, keep_end=True)
            drawn.write(left, plan.head + LINE, text, size=theme.SMALL, color=theme.QUIET)
        _tile(drawn, image.picture, Box(left, plan.head + 2 * SMALL_LINE + 6, TILE, TILE))
    if plan.exemplars:
        drawn.write(plan.exemplars[0], plan.rows - LINE - 6, "Exemplars")


def _row(drawn: Sheet, sheet: RuleSheet, row: RuleRow, plan: _Plan, *, top: int) -> None:
    drawn.write(MARGIN, top, f"unit {row.unit}", size=theme.TITLE)
    for place, text in enumerate(row.note):
        line = top + TITLE_LINE + 6 + place * SMALL_LINE
        drawn.write(MARGIN, line, shorten(text, theme.SMALL, LABEL - SEAM), size=theme.SMALL, color=theme.QUIET)
    below = top + TILE + 4
    for image, map_, response, left in zip(sheet.images, row.maps, row.responses, plan.columns, strict=True):
        _tile(drawn, _glowing(image.picture, map_), Box(left, top, TILE, TILE))
        drawn.write(left, below, f"α = {number(response)}", size=theme.SMALL)
    for exemplar, left in zip(row.exemplars, plan.exemplars, strict=False):
        _tile(drawn, _glowing(exemplar.picture, exemplar.map), Box(left, top, TILE, TILE))
        text = shorten(exemplar.label or exemplar.image, theme.SMALL, TILE, keep_end=not exemplar.label)
        drawn.write(left, below, text, size=theme.SMALL, color=theme.ACCENT if exemplar.label else theme.QUIET)


def _glowing(picture: Picture | None, map_: NDArray[np.float32] | None) -> Picture | None:
    return None if picture is None or map_ is None else overlay(picture, tone(map_))


def _tile(drawn: Sheet, picture: Picture | None, place: Box) -> None:
    if picture is None:
        drawn.blank_tile(place)
    else:
        fitted = place.fit(*picture.shape[:2])
        drawn.image(resized(picture, fitted), fitted)
