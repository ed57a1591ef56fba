"""Ranked units and images as horizontal bars, the first on top.

In: results that rank units or images by one number. Out: a matplotlib Figure, neither shown nor saved.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from unitscope.analyses.inhibition import Inhibition
from unitscope.analyses.nearest_images import NearestImages
from unitscope.analyses.selectivity import Selectivity
from unitscope.analyses.unit_correlation import SimilarUnits
from unitscope.analyses.unit_rules import Rule
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import number, shorten, wrap
from unitscope.figures.tile_layout import GAP, MARGIN
from unitscope.text import count_noun

WIDTH, ROW, NAME_ROOM, CHART = 1500, 30, 560, 260  # pixels
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


def bars(title: str, panels: Sequence[Bars], caption: str = "") -> Figure:
    """Return a figure of panels of bars, one below the other, with a caption; 40 bars a panel at most."""
    with theme.context():
        figure, charts = stacked(title, [max(1, each.shown) * ROW for each in panels], notes(caption, panels))
        for axes, each in zip(charts, panels, strict=True):
            draw_bars(axes, each)
        figure.draw_without_rendering()  # make ticks now: matplotlib < 3.11 makes them later, in the caller's style
        return figure


def stacked(title: str, heights: Sequence[int], caption: str) -> tuple[Figure, list[Axes]]:
    """Return a figure of empty charts of these heights in pixels, one below the other, with title and caption."""
    heading = wrap(title, theme.TITLE, WIDTH - 2 * MARGIN, most=3)
    lines = wrap(caption, theme.SMALL, WIDTH - 2 * MARGIN) if caption else []
    room = len(heading) * theme.line(theme.TITLE) + len(lines) * theme.line(theme.SMALL) + 2 * MARGIN
    height = room + sum(heights) + 120 * len(heights)
    layout = ConstrainedLayoutEngine(w_pad=MARGIN / theme.DPI, h_pad=GAP / theme.DPI)
    figure = NotebookFigure((WIDTH / theme.DPI, height / theme.DPI), theme.DPI, layout=layout)
    figure.suptitle("\n".join(heading), x=MARGIN / WIDTH, ha="left", size=theme.TITLE)
    if lines:
        figure.supxlabel("\n".join(lines), x=MARGIN / WIDTH, ha="left", size=theme.SMALL, color=theme.QUIET)
    grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    return figure, list(grid[:, 0])


def notes(caption: str, panels: Sequence[Bars]) -> str:
    """Return the caption, with the number of bars that are not drawn."""
    longest = max((len(each.names) for each in panels), default=0)
    first = f"The first {MAX_BARS} of {longest:,}." if longest > MAX_BARS else ""
    return " ".join(filter(None, (caption, first)))


def draw_bars(axes: Axes, each: Bars) -> None:
    """Draw bars with their names and values."""
    values, rows = each.values[: each.shown], np.arange(each.shown)
    pale = np.zeros(each.shown, bool) if each.pale is None else each.pale[: each.shown]
    finite = np.where(np.isfinite(values), values, 0)
    for some, alpha in ((~pale, 1.0), (pale, 0.35)):
        axes.barh(rows[some], finite[some], height=0.62, color=theme.ACCENT, alpha=alpha, linewidth=0)
    low, high = finite.min(initial=0), finite.max(initial=0)
    room = 0.12 * ((high - low) or 1)  # for the numbers
    axes.set_xlim(low, (high if high > low else low + 1) + room)
    axes.set_ylim(max(1, each.shown) - 0.4, -0.6)
    axes.set_yticks(rows, [shorten(name, theme.SMALL, NAME_ROOM, keep_end=True) for name in each.names[: each.shown]])
    for row, value, length in zip(rows, values, finite, strict=True):
        axes.annotate(
            number(float(value)), (max(length, 0.0), row), (6, 0), textcoords="offset points", va="center",
            size=theme.SMALL, color=theme.QUIET,
        )  # fmt: skip
    if not each.shown:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color=theme.QUIET)
    axes.axvline(0, color=theme.QUIET, linewidth=0.6)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    label_axes(axes, each.axis, title=each.title)


def label_axes(axes: Axes, along: str, *, up: str = "", title: str = "") -> None:
    """Label the axes of a chart."""
    axes.set_title(shorten(title, theme.BODY, WIDTH - NAME_ROOM - 4 * MARGIN), pad=7)
    axes.set_xlabel(along, size=theme.SMALL)
    axes.set_ylabel(up, size=theme.SMALL)
    axes.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)


@draw.register
def _(result: Rule) -> Figure:
    """Draw the units of a rule, by their mean response."""
    chance = (
        "" if result.expected is None else f"{count_noun(len(result.units), 'unit')}, {result.expected:.3g} expected"
    )
    caption = chance and f"{chance} for random selections of the same sizes."
    return bars(result.title, [_units(result.units, result.responses, "mean response α")], caption)


@draw.register
def _(result: Inhibition) -> Figure:
    """Draw the units that are dark on a concept or respond less to it, by their effect size."""
    pale = result.units["p_corrected"].to_numpy() > SIGNIFICANT
    images = count_noun(len(result.images), "image")
    measured = f"Rank-biserial correlation over {images}; −1: darker on the concept in each."
    if result.by == "class contrast":
        measured = f"Cliff's delta of {images} and {result.others:,} others; −1: each responds less than all others."
    caption = f"{measured} Pale: not significant at {SIGNIFICANT} (Benjamini and Hochberg)."
    return bars(result.title, [_units(result.units["unit"], result.units["effect_size"], "effect size", pale)], caption)


@draw.register
def _(result: Selectivity) -> Figure:
    """Draw the units that are most selective for a class, by the selectivity index."""
    title = f"Units of {result.layer.display_name} most selective for {result.concept}"
    caption = f"{result.note[0].upper()}{result.note[1:]}."
    return bars(title, [_units(result.found["unit"], result.found["selectivity"], "class selectivity index")], caption)


@draw.register
def _(result: SimilarUnits) -> Figure:
    """Draw the units that are most correlated with a unit."""
    title = f"Units most correlated with {result.layer.display_name}, unit {result.unit}"
    caption = f"Pearson's r of the responses to {count_noun(result.images, 'image')}."
    return bars(title, [_units(result.units["unit"], result.units["correlation"], "correlation")], caption)


@draw.register
def _(result: NearestImages) -> Figure:
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
    return bars(f"Nearest images at {result.layer.display_name}", panels)


def _units(units: Iterable[int], values: ArrayLike, axis: str, pale: NDArray[np.bool_] | None = None) -> Bars:
    return Bars([f"unit {unit}" for unit in units], np.asarray(values, np.float64), axis, pale=pale)
