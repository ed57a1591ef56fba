"""The distribution of a unit's responses over all images, and the classes with its highest means.

In: a `UnitResponses`. Out: a matplotlib Figure, neither shown nor saved.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from unitscope.analyses.unit_responses import UnitResponses
from unitscope.figures import theme
from unitscope.figures.drawing import draw
from unitscope.figures.rankings import CHART, ROW, Bars, draw_bars, label_axes, stacked
from unitscope.text import sentence

MAX_CLASSES = 20


@draw.register
def unit_responses(result: UnitResponses, *, title: str = "") -> Figure:
    """Return the histogram of a unit's responses, above the means of the 20 classes with the highest."""
    top = result.classes.head(MAX_CLASSES)
    means = Bars(list(top["name"]), top["mean"].to_numpy(np.float64), "mean response α", "Mean response by class")
    more = f"The {MAX_CLASSES} of {len(result.classes):,} classes with the highest means."
    captions = [more] if len(result.classes) > MAX_CLASSES else []
    captions += [sentence("" if result.split_half is None else result.split_half.note), sentence(result.class_note)]
    heights = [CHART, means.shown * ROW] if means.shown else [CHART]
    with theme.context():
        figure, (histogram, *rest) = stacked(
            title or f"Responses of {result.layer.display_name}, unit {result.unit}",
            heights,
            " ".join(filter(None, captions)),
        )
        histogram.bar(
            result.edges[:-1],
            result.histogram,
            width=np.diff(result.edges),
            align="edge",
            color=theme.ACCENT,
            linewidth=0,
        )
        histogram.set_xlim(result.edges[0], result.edges[-1])
        histogram.xaxis.set_major_locator(MaxNLocator(6))
        histogram.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        histogram.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        label_axes(histogram, "response α", up="images")
        for axes in rest:
            draw_bars(axes, means)
        figure.draw_without_rendering()
        return figure
