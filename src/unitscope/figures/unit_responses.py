"""The distribution of a unit's responses over all images, and the classes with its highest means.

In: a `UnitResponses`. Out: a matplotlib Figure, neither shown nor saved.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from unitscope.analyses.unit_responses import UnitResponses
from unitscope.figures import theme
from unitscope.figures.charts import Chart, Grid
from unitscope.figures.drawing import draw
from unitscope.figures.rankings import BarPanel, Bars
from unitscope.figures.sheet import Sheet
from unitscope.figures.tile_layout import GAP
from unitscope.text import sentence

HIGH, FOOT = 210, 66
MAX_CLASSES = 20


@draw.register
def unit_responses(result: UnitResponses, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the histogram of a unit's responses, above the means of the 20 classes with the highest."""
    top = result.classes.head(MAX_CLASSES)
    means = Bars(list(top["name"]), top["mean"].to_numpy(np.float64), "mean response α", "Mean response by class")
    more = f"The {MAX_CLASSES} of {len(result.classes):,} classes with the highest means."
    captions = [more] if len(result.classes) > MAX_CLASSES else []
    captions += [sentence("" if result.split_half is None else result.split_half.note), sentence(result.class_note)]
    heading = f"Responses of {result.layer.display_name}, unit {result.unit}" if title is None else title
    with theme.context(width):
        grid = Grid.of([Chart("")], 1, high=HIGH, foot=FOOT)
        panels = [BarPanel.below(means, grid.height + GAP)] if means.shown else []
        height = panels[-1].bottom if panels else grid.height
        sheet = Sheet.of(height, title=heading, caption=" ".join(filter(None, captions)))
        _histogram(grid.draw(sheet)[0], result)
        for panel in panels:
            panel.draw(sheet)
        return sheet.finished()


def _histogram(axes: Axes, result: UnitResponses) -> None:
    widths = np.diff(result.edges)
    axes.bar(result.edges[:-1], result.histogram, width=widths, align="edge", color=theme.ACCENT, linewidth=0)
    axes.set_xlim(result.edges[0], result.edges[-1])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("response α")
    axes.set_ylabel("images")
