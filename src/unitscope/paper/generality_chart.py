"""The generality of units over depth, as curves.

In: a `Generality`. Out: a matplotlib Figure, neither shown nor saved.
"""

import numpy as np
from matplotlib.figure import Figure

from unitscope.figures import theme
from unitscope.figures.layers import charts_over_layers, shares
from unitscope.paper.generality import SHARE, Generality


def generality_chart(found: Generality, *, title: str) -> Figure:
    """Return the overlap of images of two classes over depth, with its band, that of one class, and chance."""
    table, at = found.table, np.arange(len(found.table))
    with theme.context():
        figure, (chart,) = charts_over_layers(title, [layer.name for layer in found.layers], count=1)
        style = theme.CURVES[0]
        chart.fill_between(at, table["different_low"], table["different_high"], color=theme.ACCENT, alpha=0.2, lw=0)
        chart.plot(at, table["different"], label="images of two classes", linewidth=1.4, markersize=3, **style)
        if table["one_class"].notna().any():
            chart.plot(
                at, table["one_class"], label="images of one class", linewidth=1.4, markersize=3, **theme.CURVES[1]
            )
        chart.axhline(SHARE, color=theme.QUIET, linewidth=0.8, linestyle=":", label="chance")
        chart.set_title("Shared of the 10 % of units with the highest responses", pad=7)
        shares(chart)
        chart.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=theme.SMALL, borderpad=0
        )
        figure.draw_without_rendering()
        return figure
