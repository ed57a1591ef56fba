"""Accuracy against the fraction of units, and of activation, removed (the paper's tables 4 and 5 as curves).

In: an `Ablation`. Out: a matplotlib Figure, neither shown nor saved. One column per scope; for each layer, and for all
units or the active ones, a row over the fraction of units removed and one over the share of Σ|α| removed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from unitscope.analyses.ablation import Ablation
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import shorten, wrap
from unitscope.figures.tile_layout import MARGIN, write
from unitscope.text import count_noun

WIDTH, PANEL, SIDE, BETWEEN, ROW_ROOM = 1500, 400, 120, 70, 140
HEAD = MARGIN + theme.line(theme.TITLE) + 44
SCOPES = {"image": "units ranked for each image", "dataset": "same units for all images"}
AMONG = {"all": "", "active": ", among active units"}
AXES = {"units": "units removed", "activation": "share of Σ|α| removed"}
ORDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "low": ("lowest first", theme.CURVES[0]),
    "high": ("highest first", theme.CURVES[1]),
    "random": ("random", theme.CURVES[2]),
    "low-abs": ("lowest |α| first", {"color": "#4a8fb5", "linestyle": "-.", "marker": "v"}),
    "high-abs": ("highest |α| first", {"color": "#b08a1e", "linestyle": (0, (5, 1)), "marker": "D"}),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of panels: a layer, among which units, and what the x axis shows."""

    layer: str
    among: str
    axis: str


@draw.register
def ablation(result: Ablation, *, title: str = "") -> Figure:
    """Return curves of Top-1 (bold) and Top-5 (thin) with Wilson's 95 % intervals of Top-1.

    The x axis is the fraction of a layer's units removed, and in the row below it the share of the layer's activation,
    Σ|α|, that these had. Hollow points removed nothing, since the maps were zero already. Without labels the curve is
    the fraction of images whose Top-1 class doesn't change. Seeds of a random order are averaged.
    """
    table = result.table()
    rows, scopes = list(_rows(table)), list(dict.fromkeys(table["scope"]))
    caption = wrap(_caption(result, table), theme.SMALL, WIDTH - 2 * MARGIN)
    height = HEAD + len(rows) * (PANEL + ROW_ROOM) + len(caption) * theme.line(theme.SMALL) + MARGIN
    with theme.context():
        figure = NotebookFigure((WIDTH / theme.DPI, height / theme.DPI), theme.DPI)
        heading = shorten(title or f"Removal of units: {result.network}", theme.TITLE, WIDTH - 2 * MARGIN)
        write(figure, heading, MARGIN, MARGIN, theme.TITLE)
        wide = (WIDTH - SIDE - MARGIN - (len(scopes) - 1) * BETWEEN) / len(scopes)
        for number, row in enumerate(rows):
            top = HEAD + number * (PANEL + ROW_ROOM) + 50
            for column, scope in enumerate(scopes):
                left = SIDE + column * (wide + BETWEEN)
                panel = figure.add_axes((left / WIDTH, 1 - (top + PANEL) / height, wide / WIDTH, PANEL / height))
                chosen = (table["layer"] == row.layer) & (table["scope"] == scope) & (table["among"] == row.among)
                _curves(panel, table[chosen], row, result)
                name = f"{row.layer}: {SCOPES[scope]}{AMONG[row.among]}"
                _label_axes(panel, shorten(name, theme.BODY, wide), AXES[row.axis], first=column == 0)
        _legend(figure, table, height)
        for index, line in enumerate(caption):
            below = height - MARGIN - (len(caption) - index) * theme.line(theme.SMALL)
            write(figure, line, MARGIN, below, theme.SMALL, theme.QUIET)
        figure.draw_without_rendering()
        return figure


def _rows(table: pd.DataFrame) -> Iterator[_Row]:
    """Yield the rows; results of earlier versions don't have the activation removed."""
    axes = [axis for axis in AXES if axis == "units" or "activation_removed" in table]
    for layer, among in dict.fromkeys(zip(table["layer"], table["among"], strict=True)):
        for axis in axes:
            yield _Row(layer, among, axis)


def _legend(figure: Figure, table: pd.DataFrame, height: float) -> None:
    orders = dict.fromkeys(table["order"])
    handles = [
        Line2D([], [], linewidth=1.8, markersize=4, label=ORDERS[order][0], **ORDERS[order][1]) for order in orders
    ]
    corner = (1 - MARGIN / WIDTH, 1 - (HEAD - 24) / height)
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=corner, ncols=5, frameon=False, borderaxespad=0)


def _curves(panel: Axes, table: pd.DataFrame, row: _Row, result: Ablation) -> None:
    labelled = bool(result.baseline.images)
    units = next(one.setting.units for one in result.outcomes if one.setting.layer == row.layer)
    for order, group in table.groupby("order", sort=False):
        name, style = ORDERS[str(order)]
        measures = (("top1", 1.8), ("top5", 0.8)) if labelled else (("agreement", 1.8),)
        settings = group.groupby("removed")
        shares = (
            settings["activation_removed"].mean().to_numpy(float)
            if row.axis == "activation"
            else settings["removed"].first().to_numpy(float) / units
        )
        for measure, width in measures:
            start = result.baseline.to_dict()[measure] if labelled else 1.0
            shown = f"{name}" if width > 1 else None
            values = [start, *settings[measure].mean()]
            marker = 4 if width > 1 else 2
            panel.plot([0, *shares], values, linewidth=width, markersize=marker, label=shown, **style)
        measure = measures[0][0]
        intervals = [np.mean(list(values), 0) for _, values in settings[f"{measure}_interval"]]
        low, high = np.transpose(intervals)
        panel.vlines(shares, low, high, color=style["color"], linewidth=0.9, alpha=0.7)
        if "nothing_removed" in group:
            empty = settings["nothing_removed"].all().to_numpy(bool)
            hollow = style | {"linestyle": "none", "markerfacecolor": theme.PAPER, "label": "_nothing"}
            panel.plot(shares[empty], settings[measure].mean().to_numpy()[empty], markersize=6, zorder=3, **hollow)


def _label_axes(panel: Axes, title: str, axis: str, *, first: bool) -> None:
    panel.set_title(title, pad=8)
    panel.set_xlim(-0.02, 1.02)
    panel.set_ylim(-0.02, 1.02)
    panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.xaxis.set_major_locator(MaxNLocator(6))
    panel.yaxis.set_major_formatter(PercentFormatter(1))
    panel.set_xlabel(axis, size=theme.SMALL)
    panel.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)
    if first:
        panel.set_ylabel("fraction of images", size=theme.SMALL)
    else:
        panel.tick_params(labelleft=False)


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
        f"Bold: Top-1, thin: Top-5, of {count_noun(result.baseline.images, 'image')}; bars are Wilson's 95 % intervals "
        f"of Top-1. Maps of removed units are set to {value}.{drawn}"
    )
