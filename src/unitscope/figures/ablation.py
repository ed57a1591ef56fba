"""Accuracy against the fraction of units, and of activation, removed (the paper's tables 4 and 5 as curves).

In: an `Ablation`. Out: a matplotlib Figure, neither shown nor saved. One column per scope where two fit; for each
layer, and for all units or the active ones, charts over the fraction of units removed and over the share of Σ|α|.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from unitscope.analyses.ablation import Ablation
from unitscope.figures import theme
from unitscope.figures.charts import TWO_COLUMNS, Chart, Grid
from unitscope.figures.drawing import draw
from unitscope.figures.legend import Legend, Style
from unitscope.figures.sheet import Sheet, room
from unitscope.figures.tile_layout import GAP
from unitscope.text import count_noun

HIGH, FOOT = 240, 64
SCOPES = {"image": "units ranked for each image", "dataset": "same units for all images"}
AMONG = {"all": "", "active": ", among active units"}
AXES = {"units": "units removed", "activation": "share of Σ|α| removed"}
ORDERS: dict[str, tuple[str, Style]] = {
    "low": ("lowest first", theme.CURVES[0]),
    "high": ("highest first", theme.CURVES[1]),
    "random": ("random", theme.CURVES[2]),
    "low-abs": ("lowest |α| first", theme.CURVES[3]),
    "high-abs": ("highest |α| first", theme.CURVES[4]),
}
TOP1: Style = {"linewidth": 1.4}
TOP5: Style = {"linewidth": 0.5, "marker": ""}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One chart: a layer, among which units, the scope, and what the x axis shows."""

    layer: str
    among: str
    axis: str
    scope: str


@draw.register
def ablation(result: Ablation, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return curves of Top-1 (bold, with markers) and Top-5 (thin) with Wilson's 95 % intervals of Top-1.

    The x axis is the fraction of a layer's units removed, and in the charts below it the share of the layer's
    activation, Σ|α|, that these had. Curves start at the unmodified network, from which nothing is removed. Hollow
    points removed nothing, since the maps were zero already. Without labels the curve is the fraction of images whose
    Top-1 class doesn't change. Seeds of a random order are averaged.
    """
    table = result.table()
    with theme.context(width):
        scopes = list(dict.fromkeys(table["scope"]))
        panels = list(_panels(table, scopes))
        across = len(scopes) if room() >= TWO_COLUMNS else 1
        heads = [Chart(f"{result.display_name(one.layer)}: {SCOPES[one.scope]}{AMONG[one.among]}") for one in panels]
        grid = Grid.of(heads, across, high=HIGH, foot=FOOT)
        legend = Legend.of(_entries(result, table), room())
        heading = f"Removal of units: {result.network}" if title is None else title
        sheet = Sheet.of(legend.height + GAP + grid.height, title=heading, caption=_caption(result, table))
        legend.draw(sheet, 0, 0)
        for number, (axes, panel) in enumerate(zip(grid.draw(sheet, legend.height + GAP), panels, strict=True)):
            chosen = (table["layer"] == panel.layer) & (table["scope"] == panel.scope) & (table["among"] == panel.among)
            _curves(axes, table[chosen], panel, result)
            _label_axes(axes, AXES[panel.axis], first=number % across == 0)
        return sheet.finished()


def _panels(table: pd.DataFrame, scopes: list[str]) -> Iterator[_Panel]:
    """Yield the charts row by row; results of earlier versions don't have the activation removed."""
    axes = [axis for axis in AXES if axis == "units" or "activation_removed" in table]
    for layer, among in dict.fromkeys(zip(table["layer"], table["among"], strict=True)):
        for axis in axes:
            yield from (_Panel(layer, among, axis, scope) for scope in scopes)


def _entries(result: Ablation, table: pd.DataFrame) -> list[tuple[str, Style]]:
    """Return the legend: a curve for each order, and a line for each accuracy."""
    orders = [(name, style | TOP1) for name, style in (ORDERS[order] for order in dict.fromkeys(table["order"]))]
    if not result.baseline.images:
        return orders
    plain: Style = {"color": theme.INK, "linestyle": "-"}
    return [*orders, ("Top-1", plain | {"marker": "o"} | TOP1), ("Top-5", plain | TOP5)]


def _curves(axes: Axes, table: pd.DataFrame, panel: _Panel, result: Ablation) -> None:
    labelled = bool(result.baseline.images)
    units = next(one.setting.units for one in result.outcomes if one.setting.layer == panel.layer)
    measures = {"top1": TOP1, "top5": TOP5} if labelled else {"agreement": TOP1}
    for order, group in table.groupby("order", sort=False):
        name, style = ORDERS[str(order)]
        settings = group.groupby("removed")
        shares = (
            settings["activation_removed"].mean().to_numpy(float)
            if panel.axis == "activation"
            else settings["removed"].first().to_numpy(float) / units
        )
        for measure, look in measures.items():
            start = result.baseline.to_dict()[measure] if labelled else 1.0
            values = [start, *settings[measure].mean()]
            axes.plot([0, *shares], values, label=name if look is TOP1 else None, **(style | look))
        measure = next(iter(measures))
        intervals = [np.mean(list(values), 0) for _, values in settings[f"{measure}_interval"]]
        low, high = np.transpose(intervals)
        axes.vlines(shares, low, high, color=style["color"], linewidth=0.7, alpha=0.7)
        if "nothing_removed" in group:
            empty = settings["nothing_removed"].all().to_numpy(bool)
            hollow = style | {"linestyle": "none", "markerfacecolor": theme.PAPER, "label": "_nothing"}
            axes.plot(shares[empty], settings[measure].mean().to_numpy()[empty], markersize=4.2, zorder=3, **hollow)


def _label_axes(axes: Axes, along: str, *, first: bool) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.04, 1.05)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel(along)
    if first:
        axes.set_ylabel("images")


def _caption(result: Ablation, table: pd.DataFrame) -> str:
    value = {"zero": "zero", "mean": "the unit's mean response over the images"}[str(table["value"].iloc[0])]
    seeds = table["seed"].nunique()
    drawn = f" Random: mean of {seeds} draws." if seeds > 1 else ""
    if "nothing_removed" in table and table["nothing_removed"].any():
        drawn += (
            " Hollow points removed nothing, as their maps were zero already; they are no evidence about the units."
        )
    if not result.baseline.images:
        return (
            f"Fraction of {count_noun(result.images, 'image')} with the same Top-1 class as in the unmodified network; "
            f"bars are Wilson's 95 % intervals. Maps of removed units are set to {value}.{drawn}"
        )
    return (
        f"Fraction of {count_noun(result.baseline.images, 'image')} that are right in Top-1 and Top-5, from the "
        "unmodified network (0 % removed) on; bars are Wilson's 95 % intervals of Top-1. Maps of removed units are "
        f"set to {value}.{drawn}"
    )
