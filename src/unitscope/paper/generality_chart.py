"""The generality of units over depth, as curves.

In: a `Generality`. Out: a matplotlib Figure, neither shown nor saved.
"""

import numpy as np
from matplotlib.figure import Figure

from unitscope.figures import theme
from unitscope.figures.charts import Chart, charts_over_layers
from unitscope.figures.layers import shares
from unitscope.paper.generality import SHARE, Generality


def generality_chart(found: Generality, *, title: str) -> Figure:
    """Return the overlap of images of two classes over depth, with its band, that of one class, and chance."""
    table, at = found.table, np.arange(len(found.table))
    curves = {
        "different": ("images of two classes", theme.CURVES[0]),
        "one_class": ("images of one class", theme.CURVES[1]),
    }
    if not table["one_class"].notna().any():
        del curves["one_class"]
    chance = {"color": theme.QUIET, "linestyle": ":", "marker": ""}
    head = Chart("Shared of the 10 % of units with the highest responses", (*curves.values(), ("chance", chance)))
    with theme.context():
        sheet, (chart,) = charts_over_layers(found.layers, [head], title=title)
        chart.fill_between(at, table["different_low"], table["different_high"], color=theme.ACCENT, alpha=0.2, lw=0)
        for column, (_, style) in curves.items():
            chart.plot(at, table[column], **style)
        chart.axhline(SHARE, color=theme.QUIET, linestyle=":")
        shares(chart)
        return sheet.finished()
