"""Small charts, each below its title and its legend: in a grid, or over one axis of layers.

In: titles and legends. Out: a `Sheet` with empty charts. Independent of what they show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from unitscope.figures import theme
from unitscope.figures.layer_axis import LayerAxis
from unitscope.figures.legend import Legend, Style
from unitscope.figures.sheet import Sheet, room
from unitscope.figures.text_layout import wrap
from unitscope.figures.tile_layout import GAP, Box
from unitscope.units import Layer

SIDE = 84  # pixels left of a chart, for the numbers of its axis
HIGH, SPACE = 170, 8
TWO_COLUMNS = 1000  # pixels
NARROWEST, WIDEST_LAYER = 260, 90  # pixels of a chart, and of one layer in it


@dataclass(frozen=True, slots=True)
class Chart:
    """What stands above a chart: its title, its curves' names and styles, a note in small type."""

    title: str
    entries: tuple[tuple[str, Style], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ChartHead:
    """A chart's title, note and legend, wrapped to the width of the chart."""

    title: tuple[str, ...]
    note: tuple[str, ...]
    legend: Legend

    @classmethod
    def of(cls, chart: Chart, width: int) -> "ChartHead":
        """Return the head of a chart in a width in pixels."""
        title = wrap(chart.title, theme.BODY, width, most=4) if chart.title else []
        note = wrap(chart.note, theme.SMALL, width, most=4) if chart.note else []
        return cls(tuple(title), tuple(note), Legend.of(chart.entries, width))

    @property
    def height(self) -> int:
        """The height in pixels, with the space above the chart."""
        lines = len(self.title) * theme.line(theme.BODY) + len(self.note) * theme.line(theme.SMALL)
        return lines + self.legend.height + SPACE

    def draw(self, sheet: Sheet, left: int, bottom: int) -> None:
        """Draw title, note and legend, which end above ``bottom``."""
        top = bottom - self.height
        sheet.lines(left, top, self.title, size=theme.BODY)
        below = top + len(self.title) * theme.line(theme.BODY)
        sheet.lines(left, below, self.note, size=theme.SMALL, color=theme.QUIET)
        self.legend.draw(sheet, left, below + len(self.note) * theme.line(theme.SMALL))


def charts_over_layers(
    layers: Sequence[Layer],
    charts: Sequence[Chart],
    *,
    title: str,
    caption: str = "",
    columns: int = 1,
    above: int = 0,
) -> tuple[Sheet, list[Axes]]:
    """Return a sheet of empty charts over one axis of layers, named below the last chart of each column.

    The charts lie one below the other; with two ``columns``, side by side in a sheet wide enough. ``above``
    pixels are left free above the first.
    """
    across = columns if room() >= TWO_COLUMNS else 1
    grid = Grid.of(charts, across, high=HIGH, foot=0, widest=max(NARROWEST, len(layers) * WIDEST_LAYER))
    axis = LayerAxis.of(layers, grid.wide)
    sheet = Sheet.of(above + grid.height + axis.height, title=title, caption=caption)
    axes = grid.draw(sheet, above)
    for number, each in enumerate(axes):
        each.set_xlim(-0.6, len(layers) - 0.4)
        each.xaxis.set_major_locator(FixedLocator([]))
        if number >= len(axes) - across:
            axis.mark(each)
    return sheet, axes


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Charts of one size in a grid, each with room for the numbers on its left and ``foot`` pixels below."""

    heads: tuple[ChartHead, ...]
    boxes: tuple[Box, ...]
    wide: int
    height: int

    @classmethod
    def of(cls, charts: Sequence[Chart], across: int, *, high: int, foot: int, widest: int = 9999) -> "Grid":
        """Return a grid over the width of a sheet, with ``across`` charts of ``high`` pixels a row."""
        wide = room() // across - SIDE - GAP
        heads = tuple(ChartHead.of(chart, wide) for chart in charts)
        boxes, top = [], 0
        for row in range(ceil(len(heads) / across)):
            some = heads[row * across : (row + 1) * across]
            top += max(head.height for head in some) + (GAP if row else 0)
            boxes += [Box(SIDE + n * (room() // across), top, min(wide, widest), high) for n in range(len(some))]
            top += high + foot
        return cls(heads, tuple(boxes), min(wide, widest), top)

    def draw(self, sheet: Sheet, top: int = 0) -> list[Axes]:
        """Draw the heads, and return the empty charts; the grid begins ``top`` pixels down the sheet."""
        boxes = [box.moved(0, top) for box in self.boxes]
        for head, box in zip(self.heads, boxes, strict=True):
            head.draw(sheet, box.left, box.top)
        return [sheet.chart(box) for box in boxes]
