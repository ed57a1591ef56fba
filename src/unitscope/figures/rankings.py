"""Ranked units and images as horizontal bars, the first on top.

In: results that rank units or images by one number. Out: a matplotlib Figure, neither shown nor saved.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from unitscope.analyses.inhibition import Inhibition
from unitscope.analyses.nearest_images import NearestImages
from unitscope.analyses.selectivity import Selectivity
from unitscope.analyses.unit_correlation import SimilarUnits
from unitscope.analyses.unit_rules import Rule
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.sheet import Sheet, room
from unitscope.figures.text_layout import number, shorten, widest, wrap
from unitscope.figures.tile_layout import GAP, Box
from unitscope.text import count_noun, sentence

ROW, FOOT, NARROWEST, WIDEST = 25, 66, 160, 800  # pixels
NAME_SHARE = 0.5
MAX_BARS = 40
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Names and values, the first on top.

    Attributes:
        names: what each bar stands for.
        values: length of each bar, float64 ``[bar]``.
        axis: what the values are.
        title: what stands above the bars; empty for nothing.
        pale: bars that are drawn pale, bool ``[bar]``; None for none.
    """

    names: Sequence[str]
    values: NDArray[np.float64]
    axis: str
    title: str = ""
    pale: NDArray[np.bool_] | None = None

    @property
    def shown(self) -> int:
        """Number of bars that are drawn."""
        return min(len(self.names), MAX_BARS)


@dataclass(frozen=True, slots=True, eq=False)
class BarPanel:
    """Bars with their place on a sheet: lines of the title, names that fit, the chart's box."""

    bars: Bars
    title: tuple[str, ...]
    names: tuple[str, ...]
    box: Box

    @classmethod
    def below(cls, bars: Bars, top: int) -> "BarPanel":
        """Return the panel that begins ``top`` pixels down a sheet."""
        title = wrap(bars.title, theme.BODY, room(), most=2) if bars.title else []
        names = tuple(
            shorten(name, theme.SMALL, NAME_SHARE * room(), keep_end="/" in name) for name in bars.names[: bars.shown]
        )
        left = ceil(widest(names, theme.SMALL)) + GAP
        wide = max(NARROWEST, min(WIDEST, room() - left))
        start = top + len(title) * theme.line(theme.BODY)
        return cls(bars, tuple(title), names, Box(left, start, wide, max(1, bars.shown) * ROW))

    @property
    def bottom(self) -> int:
        """The first pixel row below the panel and the numbers of its axis."""
        return self.box.bottom + FOOT

    def draw(self, sheet: Sheet) -> None:
        """Draw title and bars."""
        sheet.lines(0, self.box.top - len(self.title) * theme.line(theme.BODY), self.title, size=theme.BODY)
        _draw_bars(sheet.chart(self.box), self.bars, self.names)


def draw_ranking(title: str, panels: Sequence[Bars], caption: str = "") -> Figure:
    """Return a figure of panels of bars, one below the other, with a caption; 40 bars a panel at most."""
    placed: list[BarPanel] = []
    for each in panels:
        placed.append(BarPanel.below(each, placed[-1].bottom + GAP if placed else 0))
    sheet = Sheet.of(placed[-1].bottom, title=title, caption=_notes(caption, panels))
    for panel in placed:
        panel.draw(sheet)
    return sheet.finished()


def _notes(caption: str, panels: Sequence[Bars]) -> str:
    """Return the caption, with the number of bars that are not drawn."""
    longest = max((len(each.names) for each in panels), default=0)
    first = f"The first {MAX_BARS} of {longest:,}." if longest > MAX_BARS else ""
    return " ".join(filter(None, (caption, first)))


def _draw_bars(axes: Axes, each: Bars, names: Sequence[str]) -> None:
    values, rows = each.values[: each.shown], np.arange(each.shown)
    pale = np.zeros(each.shown, bool) if each.pale is None else each.pale[: each.shown]
    finite = np.where(np.isfinite(values), values, 0)
    for some, alpha in ((~pale, 1.0), (pale, 0.35)):
        axes.barh(rows[some], finite[some], height=0.62, color=theme.ACCENT, alpha=alpha, linewidth=0)
    low, high = finite.min(initial=0), finite.max(initial=0)
    numbers = [number(float(value)) for value in values]
    taken = (widest(numbers, theme.SMALL) + GAP) / (axes.get_position().width * theme.width())
    span = (high - low) or 1
    axes.set_xlim(low, (high if high > low else low + 1) + span * taken / (1 - taken))
    axes.set_ylim(max(1, each.shown) - 0.4, -0.6)
    axes.set_yticks(rows, names)
    for row, text, length in zip(rows, numbers, finite, strict=True):
        axes.annotate(
            text, (max(length, 0.0), row), (3, 0), textcoords="offset points", va="center",
            size=theme.SMALL, color=theme.QUIET,
        )  # fmt: skip
    if not each.shown:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color=theme.QUIET)
    axes.axvline(0, color=theme.QUIET, linewidth=0.5)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(each.axis)


@draw.register
def _(result: Rule, *, width: str | None = None, title: str | None = None) -> Figure:
    """Draw the units of a rule, by their mean response."""
    chance = (
        "" if result.expected is None else f"{count_noun(len(result.units), 'unit')}, {result.expected:.3g} expected"
    )
    caption = chance and f"{chance} for random selections of the same sizes."
    caption = f"{caption} {sentence(result.class_note)}".strip()
    with theme.context(width):
        heading = result.title if title is None else title
        return draw_ranking(heading, [_units(result.units, result.responses, "mean response α")], caption)


@draw.register
def _(result: Inhibition, *, width: str | None = None, title: str | None = None) -> Figure:
    """Draw the units that are dark on a concept or respond less to it, by their effect size."""
    pale = result.units["p_corrected"].to_numpy() > SIGNIFICANT
    images = count_noun(len(result.images), "image")
    measured = f"Rank-biserial correlation over {images}; −1: darker on the concept in each."
    if result.by == "class contrast":
        measured = f"Cliff's delta of {images} and {result.others:,} others; −1: each responds less than all others."
    caption = f"{measured} Pale: not significant at {SIGNIFICANT} (Benjamini and Hochberg)."
    with theme.context(width):
        bars = _units(result.units["unit"], result.units["effect_size"], "effect size", pale)
        return draw_ranking(result.title if title is None else title, [bars], caption)


@draw.register
def _(result: Selectivity, *, width: str | None = None, title: str | None = None) -> Figure:
    """Draw the units that are most selective for a class, by the selectivity index."""
    heading = f"Units of {result.layer.display_name} most selective for {result.concept}"
    caption = " ".join(filter(None, map(sentence, (result.note, result.class_note))))
    with theme.context(width):
        bars = _units(result.found["unit"], result.found["selectivity"], "class selectivity index")
        return draw_ranking(heading if title is None else title, [bars], caption)


@draw.register
def _(result: SimilarUnits, *, width: str | None = None, title: str | None = None) -> Figure:
    """Draw the units that are most correlated with a unit."""
    heading = f"Units most correlated with {result.layer.display_name}, unit {result.unit}"
    caption = f"Pearson's r of the responses to {count_noun(result.images, 'image')}."
    with theme.context(width):
        bars = _units(result.units["unit"], result.units["correlation"], "correlation")
        return draw_ranking(heading if title is None else title, [bars], caption)


@draw.register
def _(result: NearestImages, *, width: str | None = None, title: str | None = None) -> Figure:
    """Draw the images nearest to each image or class, by their cosine."""
    panels = [
        Bars(
            [
                f"{image} ({label})" if label else image
                for image, label in zip(table["image"], table["label"], strict=True)
            ],
            table["similarity"].to_numpy(np.float64),
            "cosine",
            f"Nearest to {name}",
        )
        for name, table in result.nearest.items()
    ]
    heading = f"Nearest images at {result.layer.display_name}"
    with theme.context(width):
        return draw_ranking(heading if title is None else title, panels)


def _units(units: Iterable[int], values: ArrayLike, axis: str, pale: NDArray[np.bool_] | None = None) -> Bars:
    return Bars([f"unit {unit}" for unit in units], np.asarray(values, np.float64), axis, pale=pale)
