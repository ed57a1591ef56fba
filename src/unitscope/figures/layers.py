"""A network's units over depth: their number, responses, zeros and dead units.

In: a list of layers, or an atlas' unit table, one row per unit. Out: a matplotlib Figure of small charts over one axis
of layers, shallow to deep; neither shown nor saved.
"""

from collections.abc import Sequence
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
from unitscope.figures.charts import Chart, charts_over_layers
from unitscope.figures.drawing import draw
from unitscope.units import Layer

NEEDED = ("layer", "layer_index", "mean", "zero_fraction", "dead")
BAND = (0.1, 0.25, 0.5, 0.75, 0.9)


def layer_summary(
    units: pd.DataFrame,
    *,
    layers: Sequence[Layer] | None = None,
    width: str | None = None,
    title: str | None = None,
) -> Figure:
    """Return charts over depth: units per layer, their mean responses, their fractions of zeros, dead units if any.

    Lines are medians over a layer's units; bands hold the middle half and the middle 80 %.

    Args:
        units: the table of units of an atlas.
        layers: the layers of the atlas, whose numbers ``act:N`` name them where names don't fit.
        width: as in `draw`.
        title: as in `draw`.

    Raises:
        UnitscopeError: if the table lacks one of the columns `NEEDED`, or has no rows.
    """
    _check(units)
    groups = units.groupby("layer_index", sort=True)
    known = {layer.name: layer for layer in layers or ()}
    names = [str(name) for name in groups["layer"].first()]
    dead = groups["dead"].sum().to_numpy(int)
    with theme.context(width):
        heads = [Chart("Units"), Chart("Mean response of a unit"), Chart("Images with a response of zero")]
        sheet, charts = charts_over_layers(
            [known.get(name) or Layer(0, name, "", 0, ()) for name in names],
            [*heads, *([Chart(_dead_title(units))] if dead.any() else [])],
            title="Units by layer" if title is None else title,
            caption="Lines: medians of a layer's units; bands: the middle half and the middle 80 %."
            + ("" if dead.any() else " No unit is dead."),
        )
        counts(charts[0], groups.size().to_numpy())
        _spread(charts[1], groups["mean"])
        _log_scale(charts[1], groups["mean"].quantile(np.array([0.1, 0.5, 0.9])).to_numpy())
        _spread(charts[2], groups["zero_fraction"])
        shares(charts[2])
        for chart in charts[3:]:
            counts(chart, dead)
        return sheet.finished()


@draw.register
def _(result: LayerList, *, width: str | None = None, title: str | None = None) -> Figure:
    """Draw the number of units of each layer."""
    with theme.context(width):
        heading = f"Layers of {result.network}" if title is None else title
        sheet, (chart,) = charts_over_layers(result.layers, [Chart("Units")], title=heading)
        counts(chart, np.array([layer.units for layer in result.layers]))
        return sheet.finished()


def decades(values: np.ndarray) -> list[float]:
    """Return the powers of ten to mark on a log-like axis for these values; empty if a linear axis is enough.

    The axis is linear unless the greatest size is more than 10 times the median size; at most 5 decades are marked.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if sizes.size == 0 or sizes.max() <= 10 * np.median(sizes):
        return []
    top = ceil(log10(sizes.max()))
    return [10.0**power for power in range(max(floor(log10(np.quantile(sizes, 0.05))), top - 5), top + 1)]


def counts(chart: Axes, values: np.ndarray) -> None:
    """Draw one whole number per layer, as bars."""
    chart.bar(np.arange(len(values)), values, width=min(0.7, 0.04 * len(values)), color=theme.ACCENT, linewidth=0)
    chart.set_ylim(0, max(1, values.max()) * 1.08)
    chart.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    chart.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def shares(chart: Axes) -> None:
    """Make a chart's axis run from 0 to 100 %."""
    chart.set_ylim(-0.03, 1.03)
    chart.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    chart.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def _check(units: pd.DataFrame) -> None:
    if missing := [name for name in NEEDED if name not in units.columns]:
        raise UnitscopeError(f"the unit table lacks {', '.join(map(repr, missing))}; pass atlas.units unchanged")
    if units.empty:
        raise UnitscopeError("the unit table has no rows, so there is no layer to draw")


def _spread(chart: Axes, groups: Any) -> None:
    low, quarter, middle, three_quarters, high = (groups.quantile(share).to_numpy() for share in BAND)
    position = np.arange(len(middle))
    chart.fill_between(position, low, high, color=theme.ACCENT, alpha=0.15, linewidth=0.6)
    chart.fill_between(position, quarter, three_quarters, color=theme.ACCENT, alpha=0.3, linewidth=0.6)
    chart.plot(position, middle, color=theme.ACCENT, marker="o", markersize=2)
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
