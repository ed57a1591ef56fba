"""The overlap of images and classes over depth: units that all select, and the cosine.

In: a `LayerOverlap`. Out: a matplotlib Figure, neither shown nor saved.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unitscope.analyses.layer_overlap import LayerOverlap
from unitscope.figures import theme
from unitscope.figures.charts import Chart, charts_over_layers
from unitscope.figures.drawing import draw
from unitscope.figures.layers import counts


@draw.register
def layer_overlap(result: LayerOverlap, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the number of shared units as bars, with the number expected by chance, above the smallest cosine."""
    table, chance = result.table, {**theme.CURVES[2], "markersize": 2.2}
    several = "smallest of all pairs" if len(result.names) > 2 else "of mean responses"
    heading = f"Overlap of {', '.join(result.names)}" if title is None else title
    heads = [
        Chart(f"Shared units of the top {result.top}", (("expected by chance", chance),)),
        Chart(f"Cosine ({several})"),
    ]
    with theme.context(width):
        sheet, (shared, cosine) = charts_over_layers(result.layers, heads, title=heading)
        x = np.arange(len(table))
        counts(shared, table["shared"].to_numpy(int))
        shared.plot(x, table["expected"], **chance)
        shared.set_ylim(0, max(1, table["shared"].max(), table["expected"].max()) * 1.08)
        cosine.plot(x, table["cosine"], **theme.CURVES[0])
        cosine.yaxis.set_major_locator(MaxNLocator(4))
        return sheet.finished()
