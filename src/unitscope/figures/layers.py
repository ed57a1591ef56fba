"""A network's units over depth: their number, responses, zeros and dead units.

In: a list of layers, or an atlas' unit table, one row per unit. Out: a matplotlib Figure of small charts over one axis
of layers, shallow to deep; neither shown nor saved.
"""

from math import ceil, floor, log10
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from unitscope.analyses.layer_list import LayerList
from unitscope.errors import UnitscopeError
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import shorten, widest
from unitscope.figures.tile_layout import MARGIN, write

NEEDED = ("layer", "layer_index", "mean", "zero_fraction", "dead")
WIDTH, CHART, BETWEEN, SIDE = 1500, 210, 66, 110
NAME_ROOM, MAX_NAMES = 400, 40
HEAD = MARGIN + theme.line(theme.TITLE) + 52
BAND = (0.1, 0.25, 0.5, 0.75, 0.9)


def layer_summary(units: pd.DataFrame, *, title: str = "") -> Figure:
    """Return four charts over depth: units per layer, their mean responses, their fractions of zeros, dead units.

    Lines are medians over a layer's units; bands hold the middle half and the middle 80 %.

    Raises:
        UnitscopeError: if the table lacks one of the columns `NEEDED`, or has no rows.
    """
    _check(units)
    with theme.context():
        layers = units.groupby("layer_index", sort=True)
        names = [str(name) for name in layers["layer"].first()]
        figure, charts = charts_over_layers(title or "Units by layer", names, count=4)
        counts(charts[0], layers.size().to_numpy(), "Units")
        _spread(charts[1], layers["mean"], "Mean response of a unit: median, middle half, middle 80 %")
        _log_scale(charts[1], layers["mean"].quantile(np.array([0.1, 0.5, 0.9])).to_numpy())
        _spread(
            charts[2],
            layers["zero_fraction"],
            "Fraction of images with a response of zero: median, middle half, middle 80 %",
        )
        shares(charts[2])
        counts(charts[3], layers["dead"].sum().to_numpy(int), _dead_title(units))
        figure.draw_without_rendering()  # make ticks now: matplotlib < 3.11 makes them later, in the caller's style
        return figure


@draw.register
def _(result: LayerList) -> Figure:
    """Draw the number of units of each layer."""
    with theme.context():
        names = [layer.name for layer in result.layers]
        figure, (chart,) = charts_over_layers(f"Layers of {result.network}", names, count=1)
        counts(chart, np.array([layer.units for layer in result.layers]), "Units")
        figure.draw_without_rendering()
        return figure


def labelled_positions(count: int) -> list[int]:
    """Return the positions of the layers whose names are shown: all, or every k-th so that at most 40 are."""
    return list(range(0, count, max(1, ceil(count / MAX_NAMES))))


def decades(values: np.ndarray) -> list[float]:
    """Return the powers of ten to mark on a log-like axis for these values; empty if a linear axis is enough.

    The axis is linear unless the greatest size is more than 10 times the median size; at most 5 decades are marked.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if sizes.size == 0 or sizes.max() <= 10 * np.median(sizes):
        return []
    top = ceil(log10(sizes.max()))
    return [10.0**power for power in range(max(floor(log10(np.quantile(sizes, 0.05))), top - 5), top + 1)]


def _check(units: pd.DataFrame) -> None:
    if missing := [name for name in NEEDED if name not in units.columns]:
        raise UnitscopeError(f"the unit table lacks {', '.join(map(repr, missing))}; pass atlas.units unchanged")
    if units.empty:
        raise UnitscopeError("the unit table has no rows, so there is no layer to draw")


def charts_over_layers(title: str, names: list[str], *, count: int, above: int = 0) -> tuple[Figure, list[Axes]]:
    """Return a sheet of empty charts, one below the other, over one axis of layers, labelled below the last.

    ``above`` pixels are left free above the first chart.
    """
    names = [shorten(name, theme.SMALL, NAME_ROOM, keep_end=True) for name in names]
    foot = ceil(widest(names, theme.SMALL)) + MARGIN + 16
    height = HEAD + above + count * CHART + (count - 1) * BETWEEN + foot
    figure = NotebookFigure((WIDTH / theme.DPI, height / theme.DPI), theme.DPI)
    title = shorten(title, theme.TITLE, WIDTH - 2 * MARGIN)
    write(figure, title, MARGIN, MARGIN, theme.TITLE)
    tops = [HEAD + above + number * (CHART + BETWEEN) for number in range(count)]
    span = (WIDTH - SIDE - MARGIN) / WIDTH
    charts = [figure.add_axes((SIDE / WIDTH, 1 - (top + CHART) / height, span, CHART / height)) for top in tops]
    for chart in charts:
        chart.set_xlim(-0.6, len(names) - 0.4)
        chart.xaxis.set_major_locator(FixedLocator([]))
        chart.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)
    shown = labelled_positions(len(names))
    charts[-1].set_xticks(shown, [names[position] for position in shown], rotation=90)
    return figure, charts


def counts(chart: Axes, values: np.ndarray, title: str) -> None:
    """Draw one whole number per layer, as bars."""
    chart.bar(np.arange(len(values)), values, width=min(0.7, 0.04 * len(values)), color=theme.ACCENT, linewidth=0)
    chart.set_title(title, pad=7)
    chart.set_ylim(0, max(1, values.max()) * 1.08)
    chart.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    chart.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def shares(chart: Axes) -> None:
    """Make a chart's axis run from 0 to 100 %."""
    chart.set_ylim(-0.03, 1.03)
    chart.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    chart.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def _spread(chart: Axes, groups: Any, title: str) -> None:
    low, quarter, middle, three_quarters, high = (groups.quantile(share).to_numpy() for share in BAND)
    position = np.arange(len(middle))
    chart.fill_between(position, low, high, color=theme.ACCENT, alpha=0.15, linewidth=0.8)
    chart.fill_between(position, quarter, three_quarters, color=theme.ACCENT, alpha=0.3, linewidth=0.8)
    chart.plot(position, middle, color=theme.ACCENT, linewidth=1.4, marker="o", markersize=2.5)
    chart.set_title(title, pad=7)
    chart.yaxis.set_major_locator(MaxNLocator(4))


def _log_scale(chart: Axes, values: np.ndarray) -> None:
    marks = decades(values)
    if not marks:
        return
    chart.set_yscale("symlog", linthresh=marks[0], linscale=1)
    below = [-mark for mark in marks if mark <= -values.min()] if values.min() < 0 else []
    chart.yaxis.set_major_locator(FixedLocator([*below, 0, *marks]))
    chart.yaxis.set_minor_locator(FixedLocator([]))
    chart.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _dead_title(units: pd.DataFrame) -> str:
    return f"Dead units: {int(units['dead'].sum()):,} of {len(units):,}"
