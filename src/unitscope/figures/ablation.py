"""Accuracy against the fraction of units removed (the paper's tables 4 and 5 as curves).

In: an `Ablation`. Out: a matplotlib Figure, neither shown nor saved; one row per layer, one column per scope.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from unitscope.analyses.ablation import Ablation
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.text_layout import shorten, wrap
from unitscope.figures.tile_layout import MARGIN, write
from unitscope.text import count_noun

WIDTH, PANEL, SIDE, BETWEEN, ROW_ROOM = 1500, 460, 120, 70, 150
HEAD = MARGIN + theme.line(theme.TITLE) + 44
SCOPES = {"image": "units ranked for each image", "dataset": "same units for all images"}
ORDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "low": ("lowest first", theme.CURVES[0]),
    "high": ("highest first", theme.CURVES[1]),
    "random": ("random", theme.CURVES[2]),
}


@draw.register
def ablation(result: Ablation, *, title: str = "") -> Figure:
    """Return curves over the fraction of a layer's units removed: Top-1 (bold), Top-5 (thin), Wilson's 95 % intervals.

    Without labels the curve is the fraction of images whose Top-1 class doesn't change. Seeds of a random order are
    averaged.
    """
    table = result.table()
    layers, scopes = list(dict.fromkeys(table["layer"])), list(dict.fromkeys(table["scope"]))
    caption = wrap(_caption(result, table), theme.SMALL, WIDTH - 2 * MARGIN)
    height = HEAD + len(layers) * (PANEL + ROW_ROOM) + len(caption) * theme.line(theme.SMALL) + MARGIN
    units = _units(result)
    with theme.context():
        figure = Figure((WIDTH / theme.DPI, height / theme.DPI), theme.DPI)
        heading = shorten(title or f"Removal of units: {result.network}", theme.TITLE, WIDTH - 2 * MARGIN)
        write(figure, heading, MARGIN, MARGIN, theme.TITLE)
        wide = (WIDTH - SIDE - MARGIN - (len(scopes) - 1) * BETWEEN) / len(scopes)
        for row, layer in enumerate(layers):
            top = HEAD + row * (PANEL + ROW_ROOM) + 50
            for column, scope in enumerate(scopes):
                left = SIDE + column * (wide + BETWEEN)
                box = (left / WIDTH, 1 - (top + PANEL) / height, wide / WIDTH, PANEL / height)
                panel = figure.add_axes(box)
                some = table[(table["layer"] == layer) & (table["scope"] == scope)]
                _curves(panel, some, units[layer], result)
                _label_axes(panel, shorten(f"{layer}: {SCOPES[scope]}", theme.BODY, wide), first=column == 0)
        handles, names = panel.get_legend_handles_labels()
        corner = (1 - MARGIN / WIDTH, 1 - (HEAD - 24) / height)
        figure.legend(handles, names, loc="upper right", bbox_to_anchor=corner, ncols=3, frameon=False, borderaxespad=0)
        for index, line in enumerate(caption):
            below = height - MARGIN - (len(caption) - index) * theme.line(theme.SMALL)
            write(figure, line, MARGIN, below, theme.SMALL, theme.QUIET)
        figure.draw_without_rendering()
        return figure


def _units(result: Ablation) -> dict[str, int]:
    return {outcome.setting.layer: outcome.setting.units for outcome in result.outcomes}


def _curves(panel: Axes, table: pd.DataFrame, units: int, result: Ablation) -> None:
    labelled = bool(result.baseline.images)
    for order, group in table.groupby("order", sort=False):
        name, style = ORDERS[str(order)]
        measures = (("top1", 1.8), ("top5", 0.8)) if labelled else (("agreement", 1.8),)
        for measure, width in measures:
            start = result.baseline.to_dict()[measure] if labelled else 1.0
            curve = group.groupby("removed")[measure].mean()
            shares = np.array([0, *curve.index]) / units
            shown = f"{name}" if width > 1 else None
            panel.plot(shares, [start, *curve], linewidth=width, markersize=4 if width > 1 else 2, label=shown, **style)
            if width > 1:
                intervals = [np.mean(list(values), 0) for _, values in group.groupby("removed")[f"{measure}_interval"]]
                low, high = np.transpose(intervals)
                panel.vlines(shares[1:], low, high, color=style["color"], linewidth=0.9, alpha=0.7)


def _label_axes(panel: Axes, title: str, *, first: bool) -> None:
    panel.set_title(title, pad=8)
    panel.set_xlim(-0.02, 1.02)
    panel.set_ylim(-0.02, 1.02)
    panel.xaxis.set_major_formatter(PercentFormatter(1))
    panel.xaxis.set_major_locator(MaxNLocator(6))
    panel.yaxis.set_major_formatter(PercentFormatter(1))
    panel.set_xlabel("units removed", size=theme.SMALL)
    panel.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)
    if first:
        panel.set_ylabel("fraction of images", size=theme.SMALL)
    else:
        panel.tick_params(labelleft=False)


def _caption(result: Ablation, table: pd.DataFrame) -> str:
    value = {"zero": "zero", "mean": "the unit's mean response over the images"}[str(table["value"].iloc[0])]
    seeds = table["seed"].nunique()
    drawn = f" Random: mean of {seeds} draws." if seeds > 1 else ""
    if not result.baseline.images:
        return (
            f"Fraction of {count_noun(result.images, 'image')} with the same Top-1 class as in the unmodified network; "
            f"bars are Wilson's 95 % intervals. Maps of removed units are set to {value}.{drawn}"
        )
    return (
        f"Bold: Top-1, thin: Top-5, of {count_noun(result.baseline.images, 'image')}; bars are Wilson's 95 % intervals "
        f"of Top-1. Maps of removed units are set to {value}.{drawn}"
    )
