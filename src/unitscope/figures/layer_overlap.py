"""The overlap of images and classes over depth: units that all select, and the cosine.

In: a `LayerOverlap`. Out: a matplotlib Figure, neither shown nor saved.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unitscope.analyses.layer_overlap import LayerOverlap
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.layers import charts_over_layers, counts


@draw.register
def layer_overlap(result: LayerOverlap, *, title: str = "") -> Figure:
    """Return the number of shared units as bars, with the number expected by chance, above the smallest cosine."""
    table = result.table
    with theme.context():
        heading = title or f"Overlap of {', '.join(result.names)}"
        figure, (shared, cosine) = charts_over_layers(heading, [str(name) for name in table["layer"]], count=2)
        x = np.arange(len(table))
        counts(shared, table["shared"].to_numpy(int), f"Shared units of the top {result.top}")
        shared.plot(x, table["expected"], label="expected by chance", linewidth=1.4, markersize=3, **theme.CURVES[2])
        shared.set_ylim(0, max(1, table["shared"].max(), table["expected"].max()) * 1.08)
        shared.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=theme.SMALL, borderpad=0)
        cosine.plot(x, table["cosine"], linewidth=1.4, markersize=3, **theme.CURVES[0])
        several = "smallest of all pairs" if len(result.names) > 2 else "of mean responses"
        cosine.set_title(f"Cosine ({several})", pad=7)
        cosine.yaxis.set_major_locator(MaxNLocator(4))
        figure.draw_without_rendering()
        return figure
