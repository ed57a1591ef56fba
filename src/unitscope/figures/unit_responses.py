"""The distribution of a unit's responses over all images, and the classes with its largest means.

In: a `UnitResponses`. Out: a matplotlib Figure, neither shown nor saved.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from unitscope.analyses.unit_responses import UnitResponses
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.rankings import CHART, ROW, Bars, draw_bars, dress, stacked

MOST_CLASSES = 20


@draw.register
def unit_responses(found: UnitResponses, *, title: str = "") -> Figure:
    """Return the histogram of a unit's responses, above the means of the 20 classes with the largest."""
    top = found.classes.head(MOST_CLASSES)
    means = Bars(list(top["name"]), top["mean"].to_numpy(np.float64), "mean response α", "Mean response by class")
    more = f"The {MOST_CLASSES} of {len(found.classes):,} classes with the largest means."
    heights = [CHART, means.shown * ROW] if means.shown else [CHART]
    with theme.look():
        figure, (histogram, *rest) = stacked(
            title or f"Responses of {found.layer.display_name}, unit {found.unit}",
            heights,
            more if len(found.classes) > MOST_CLASSES else "",
        )
        histogram.bar(
            found.edges[:-1], found.histogram, width=np.diff(found.edges), align="edge", color=theme.ACCENT, linewidth=0
        )
        histogram.set_xlim(found.edges[0], found.edges[-1])
        histogram.xaxis.set_major_locator(MaxNLocator(6))
        histogram.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        histogram.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        dress(histogram, "response α", up="images")
        for axes in rest:
            draw_bars(axes, means)
        figure.draw_without_rendering()
        return figure
