"""The sparsity of a layer, overall and by class (paper, figures 5 and 6), and sparsity over depth.

In: results of `unitscope.analyses.sparsity`. Out: a matplotlib Figure, neither shown nor saved.
"""

from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from unitscope.analyses.sparsity import Distribution, Sparsity
from unitscope.analyses.sparsity_by_layer import SparsityByLayer
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.layers import charts_over_layers, counts, shares
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import shorten, wrap
from unitscope.figures.tile_layout import MARGIN, write
from unitscope.text import count_noun

WIDTH, PANEL, HEAD_ROOM, FOOT_ROOM, SIDE, BETWEEN = 1500, 250, 64, 82, 96, 44
HEAD = MARGIN + theme.line(theme.TITLE) + 12
BAR_START = 0.7  # where bars begin, so that a single unit is visible on a log axis
GINI, HOYER, TREVES_ROLLS = "Gini", "Hoyer", "1 − Treves–Rolls"
STYLES = dict(zip((GINI, HOYER, TREVES_ROLLS), theme.CURVES, strict=True))


@draw.register
def sparsity(result: Sparsity, *, title: str = "") -> Figure:
    """Return histograms of the units' mean responses, over all images and over each class, all with the same axes."""
    panels = [result.overall, *result.classes]
    across = 2 if len(panels) == 4 else min(3, len(panels))
    down = ceil(len(panels) / across)
    caption = wrap(_caption(result), theme.SMALL, WIDTH - 2 * MARGIN)
    step = HEAD_ROOM + PANEL + FOOT_ROOM
    height = HEAD + down * step + len(caption) * theme.line(theme.SMALL) + MARGIN
    with theme.context():
        figure = NotebookFigure((WIDTH / theme.DPI, height / theme.DPI), theme.DPI)
        write(figure, _heading(result, title or result.network), MARGIN, MARGIN, theme.TITLE)
        wide = (WIDTH - SIDE - MARGIN - (across - 1) * BETWEEN) // across
        tallest = max(int(panel.histogram.max()) for panel in panels)
        for index, panel in enumerate(panels):
            left = SIDE + (index % across) * (wide + BETWEEN)
            top = HEAD + (index // across) * step + HEAD_ROOM
            box = (left / WIDTH, 1 - (top + PANEL) / height, wide / WIDTH, PANEL / height)
            chart = figure.add_axes(box)
            _histogram(chart, panel, result.edges, tallest)
            chart.set_xlabel("mean response α of a unit", size=theme.SMALL)
            if index % across == 0:
                chart.set_ylabel("units", size=theme.SMALL)
            else:
                chart.tick_params(labelleft=False)
            write(figure, shorten(_name(panel), theme.BODY, wide), left, top - HEAD_ROOM + 6, theme.BODY)
            indices = shorten(_indices(panel), theme.SMALL, wide)
            write(figure, indices, left, top - HEAD_ROOM + 6 + theme.line(theme.BODY), theme.SMALL, theme.QUIET)
        for index, line in enumerate(caption):
            top = HEAD + down * step + index * theme.line(theme.SMALL)
            write(figure, line, MARGIN, top, theme.SMALL, theme.QUIET)
        figure.draw_without_rendering()  # make ticks now: matplotlib < 3.11 makes them later, in the caller's style
        return figure


@draw.register
def sparsity_by_layer(result: SparsityByLayer, *, title: str = "") -> Figure:
    """Return curves over depth: zeros, the sparsity of mean responses and of single units' responses, dead units.

    Treves and Rolls's ratio a is drawn as 1 − a, so that higher is sparser in all curves.
    """
    table, title = result.table, title or result.network
    with theme.context():
        heading = f"Sparsity over depth: {title}" if title else "Sparsity over depth"
        figure, charts = charts_over_layers(heading, [str(name) for name in table["layer"]], count=4)
        _curves(charts[0], {"": table["zero_fraction"]}, "Responses that are exactly zero")
        shares(charts[0])
        means = {GINI: table["gini"], HOYER: table["hoyer"], TREVES_ROLLS: 1 - table["treves_rolls"]}
        _curves(charts[1], means, "Over units: how unevenly their mean responses are spread")
        lifetime = {HOYER: table["lifetime_hoyer"], TREVES_ROLLS: 1 - table["lifetime_treves_rolls"]}
        _curves(charts[2], lifetime, "Over images: how unevenly a unit's responses are spread, mean of units")
        dead, units = int(table["dead"].sum()), int(table["units"].sum())
        counts(charts[3], table["dead"].to_numpy(int), f"Dead units: {dead:,} of {units:,}")
        figure.draw_without_rendering()
        return figure


def _heading(result: Sparsity, title: str) -> str:
    text = f"Sparsity of {result.layer.name}" + (f" of {title}" if title else "")
    return shorten(text, theme.TITLE, WIDTH - 2 * MARGIN)


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
    chart.xaxis.set_major_locator(MaxNLocator(5))
    chart.yaxis.set_major_locator(LogLocator(10))
    chart.yaxis.set_minor_locator(NullLocator())
    chart.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    chart.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)


def _curves(chart: Axes, named: dict[str, pd.Series], title: str) -> None:
    for name, values in named.items():
        style: dict[str, Any] = STYLES.get(name, STYLES[GINI])
        chart.plot(np.arange(len(values)), values, label=name, linewidth=1.4, markersize=3, **style)
    chart.set_title(title, pad=7)
    chart.set_ylim(-0.03, 1.03)
    chart.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    if len(named) > 1:
        chart.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=theme.SMALL, borderpad=0
        )
