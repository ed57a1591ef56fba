"""The sparsity of a layer, overall and by class (paper, figures 5 and 6), and sparsity over depth.

In: results of `unitscope.analyses.sparsity`. Out: a matplotlib Figure, neither shown nor saved.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from unitscope.analyses.sparsity import Distribution, Sparsity
from unitscope.analyses.sparsity_by_layer import SparsityByLayer
from unitscope.figures import theme
from unitscope.figures.charts import Chart, Grid, charts_over_layers
from unitscope.figures.drawing import draw
from unitscope.figures.layers import counts, shares
from unitscope.figures.sheet import Sheet, room
from unitscope.text import count_noun

PANEL, FOOT, NARROWEST = 200, 66, 300
BAR_START = 0.7  # where bars begin, so that a single unit is visible on a log axis
GINI, HOYER, TREVES_ROLLS = "Gini", "Hoyer", "1 − Treves–Rolls"
STYLES = dict(zip((GINI, HOYER, TREVES_ROLLS), theme.CURVES, strict=False))


@draw.register
def sparsity(result: Sparsity, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return histograms of the units' mean responses, over all images and over each class, all with the same axes."""
    panels = [result.overall, *result.classes]
    with theme.context(width):
        most = max(1, room() // NARROWEST)
        across = min(most, 2 if len(panels) == 4 else 3, len(panels))
        grid = Grid.of([Chart(_name(panel), note=_indices(panel)) for panel in panels], across, high=PANEL, foot=FOOT)
        heading = _heading(result) if title is None else title
        sheet = Sheet.of(grid.height, title=heading, caption=_caption(result))
        tallest = max(int(panel.histogram.max()) for panel in panels)
        for index, (chart, panel) in enumerate(zip(grid.draw(sheet), panels, strict=True)):
            _histogram(chart, panel, result.edges, tallest)
            chart.set_xlabel("mean response α", size=theme.SMALL)
            if index % across == 0:
                chart.set_ylabel("units", size=theme.SMALL)
        return sheet.finished()


@draw.register
def sparsity_by_layer(result: SparsityByLayer, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return curves over depth: zeros, the sparsity of mean responses and of single units' responses, dead units.

    Treves and Rolls's ratio a is drawn as 1 − a, so that higher is sparser in all curves.
    """
    table = result.table
    means = {GINI: table["gini"], HOYER: table["hoyer"], TREVES_ROLLS: 1 - table["treves_rolls"]}
    lifetime = {HOYER: table["lifetime_hoyer"], TREVES_ROLLS: 1 - table["lifetime_treves_rolls"]}
    dead, units = int(table["dead"].sum()), int(table["units"].sum())
    heads = [
        Chart("Responses that are exactly zero"),
        Chart("Over units: how unevenly their mean responses are spread", _entries(means)),
        Chart("Over images: how unevenly a unit's responses are spread, mean of units", _entries(lifetime)),
        *([Chart(f"Dead units: {dead:,} of {units:,}")] if dead else []),
    ]
    heading = "Sparsity over depth" + (f": {result.network}" if result.network else "")
    with theme.context(width):
        sheet, charts = charts_over_layers(
            result.layers,
            heads,
            title=heading if title is None else title,
            caption="" if dead else f"None of the {units:,} units is dead.",
        )
        _curves(charts[0], {GINI: table["zero_fraction"]})
        shares(charts[0])
        _curves(charts[1], means)
        _curves(charts[2], lifetime)
        for chart in charts[3:]:
            counts(chart, table["dead"].to_numpy(int))
        return sheet.finished()


def _heading(result: Sparsity) -> str:
    return f"Sparsity of {result.layer.display_name}" + (f" of {result.network}" if result.network else "")


def _caption(result: Sparsity) -> str:
    units, dead = count_noun(result.layer.units, "unit"), len(result.dead)
    return (
        f"{units}, each counted once, by its mean response over the images; the number of units is on a log scale. "
        f"{result.zero_fraction:.1%} of all responses are exactly zero; "
        f"{count_noun(dead, 'unit')} {'is' if dead == 1 else 'are'} dead."
    )


def _name(panel: Distribution) -> str:
    return f"{panel.name} ({count_noun(panel.images, 'image')})"


def _indices(panel: Distribution) -> str:
    return f"{panel.zero_fraction:.1%} of units at zero, Gini {panel.gini:.2f}"


def _histogram(chart: Axes, panel: Distribution, edges: np.ndarray, tallest: int) -> None:
    chart.bar(
        edges[:-1],
        np.maximum(panel.histogram - BAR_START, 0),
        bottom=BAR_START,
        width=np.diff(edges),
        align="edge",
        color=theme.ACCENT,
        linewidth=0,
    )
    chart.set_yscale("log")
    chart.set_ylim(BAR_START, max(tallest, 10) * 1.4)
    chart.set_xlim(edges[0], edges[-1])
    chart.xaxis.set_major_locator(MaxNLocator(4))
    chart.yaxis.set_major_locator(LogLocator(10))
    chart.yaxis.set_minor_locator(NullLocator())
    chart.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _style(name: str) -> dict[str, Any]:
    return {**STYLES[name], "markersize": 2.2}


def _entries(named: dict[str, pd.Series]) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple((name, _style(name)) for name in named)


def _curves(chart: Axes, named: dict[str, pd.Series]) -> None:
    for name, values in named.items():
        chart.plot(np.arange(len(values)), values, label=name, **_style(name))
    chart.set_ylim(-0.03, 1.03)
    chart.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
