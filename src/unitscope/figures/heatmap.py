"""Draw a square matrix as a heat map with names on both axes, values in large cells, and a colour bar.

In: a matrix ``[row, row]``, names and, for clustered rows, SciPy's linkage. Out: a matplotlib Figure.
Independent of what the values mean. All lengths are pixels.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list

from unitscope.display.heatmaps import COLOUR_MAP
from unitscope.figures import theme
from unitscope.figures.layers import labelled_positions
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import minus, shorten, widest, wrap
from unitscope.figures.tile_layout import GAP, MARGIN, Box, write

MAX_WRITTEN = 28
CELL, SMALL_MAP, LARGE_MAP, NAME_ROOM = 74, 420, 1480, 400
TREE, BAR, BAR_ROOM, TITLE_ROOM = 190, 26, 110, 1300
TICK = 12
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """The data of a heat map.

    Attributes:
        matrix: symmetric, float64 ``[row, row]``. NaN cells are blank; the diagonal, which is 1 by definition, is grey,
            so that the colours show the range of the other values.
        names: one per row.
        title: text above the map.
        caption: text below the map.
        measure: name of the values, next to the colour bar.
        tree: SciPy's linkage ``[merge, 4]`` of the rows with heights 1 - value; None if rows are not clustered. Rows
            are drawn in its order.
    """

    matrix: Matrix
    names: tuple[str, ...]
    title: str
    caption: str
    measure: str
    tree: Matrix | None = None


def draw(data: HeatMap) -> Figure:
    """Return the figure of a heat map."""
    with theme.context():
        order = np.arange(len(data.names)) if data.tree is None else leaves_list(data.tree)
        names = [shorten(data.names[n], theme.SMALL, NAME_ROOM, keep_end="/" in data.names[n]) for n in order]
        matrix = data.matrix[np.ix_(order, order)]
        sheet = _Layout.of(data, names)
        figure = NotebookFigure((sheet.width / theme.DPI, sheet.height / theme.DPI), theme.DPI)
        sheet.write(figure)
        colours = ScalarMappable(scale(matrix), COLOUR_MAP)
        _cells(sheet.axes(figure, sheet.map), matrix, colours, names)
        if data.tree is not None:
            _branches(sheet.axes(figure, sheet.tree), data.tree, order)
        _bar(sheet.axes(figure, sheet.bar), colours, data.measure)
        figure.draw_without_rendering()  # makes the ticks now: matplotlib < 3.11 would in the caller's style
        return figure


def scale(matrix: Matrix) -> Normalize:
    """Return the range of colours: that of the values off the diagonal."""
    values = matrix[~np.eye(len(matrix), dtype=bool)]
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return Normalize(low, high) if high - low > 1e-9 else Normalize(low - 0.05, low + 0.05)


def branches(tree: Matrix, order: NDArray[np.int64]) -> list[tuple[Matrix, Matrix]]:
    """Return each merge of a linkage as a bracket: heights ``[4]``, and positions ``[4]`` along the ordered rows."""
    centre = {int(row): position + 0.5 for position, row in enumerate(order)}
    height = dict.fromkeys(centre, 0.0)
    drawn = []
    for number, (one, other, high, _) in enumerate(tree.tolist(), start=len(order)):
        ends = centre[int(one)], centre[int(other)]
        drawn.append((np.array([height[int(one)], high, high, height[int(other)]]), np.repeat(ends, 2)))
        centre[number], height[number] = sum(ends) / 2, high
    return drawn


@dataclass(frozen=True, slots=True)
class _Layout:
    """Positions of all elements on the sheet."""

    width: int
    height: int
    map: Box
    tree: Box
    bar: Box
    title: str
    caption: tuple[str, ...]

    @classmethod
    def of(cls, data: HeatMap, names: list[str]) -> "_Layout":
        count, room = len(names), ceil(widest(names, theme.SMALL)) + TICK
        side = max(SMALL_MAP, min(CELL * count, LARGE_MAP))
        square = Box(MARGIN + room, MARGIN + theme.line(theme.TITLE) + 2 * GAP, side, side)
        tree = Box(square.right + GAP, square.top, TREE if data.tree is not None else 0, side)
        bar = Box(tree.right + (GAP if tree.width else 0) + GAP, square.top, BAR, side)
        # A small map's sheet is as wide as its title, within reason.
        title = shorten(data.title, theme.TITLE, max(TITLE_ROOM, bar.right + BAR_ROOM - MARGIN))
        width = max(ceil(widest([title], theme.TITLE)) + 2 * MARGIN, bar.right + BAR_ROOM + MARGIN)
        caption = tuple(wrap(data.caption, theme.SMALL, width - 2 * MARGIN))
        below = max(room, 3 * theme.line(theme.SMALL) if tree.width else 0) + GAP
        height = square.bottom + below + len(caption) * theme.line(theme.SMALL) + MARGIN
        return cls(width, height, square, tree, bar, title, caption)

    def axes(self, figure: Figure, box: Box) -> Axes:
        bounds = (box.left / self.width, 1 - box.bottom / self.height, box.width / self.width, box.height / self.height)
        axes = figure.add_axes(bounds)
        axes.grid(visible=False)
        axes.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)
        return axes

    def write(self, figure: Figure) -> None:
        step = theme.line(theme.SMALL)
        write(figure, self.title, MARGIN, MARGIN, theme.TITLE)
        first = self.height - MARGIN - len(self.caption) * step
        for index, text in enumerate(self.caption):
            write(figure, text, MARGIN, first + index * step, theme.SMALL, theme.QUIET)


def _cells(axes: Axes, matrix: Matrix, colours: ScalarMappable, names: list[str]) -> None:
    axes.set_facecolor(theme.BLANK)
    cells = colours.to_rgba(np.ma.masked_invalid(matrix))
    cells[np.diag(np.isfinite(np.diag(matrix)))] = to_rgba(theme.FRAME)
    axes.pcolormesh(cells, rasterized=True)
    axes.set_ylim(len(names), 0)
    axes.spines[:].set_visible(False)
    shown = labelled_positions(len(names))
    axes.set_xticks([n + 0.5 for n in shown], [names[n] for n in shown], rotation=90)
    axes.set_yticks([n + 0.5 for n in shown], [names[n] for n in shown])
    if len(names) > MAX_WRITTEN:
        return
    for (row, column), value in np.ndenumerate(matrix):
        ink = theme.INK if row == column and np.isfinite(value) else _ink(value, colours)
        axes.text(column + 0.5, row + 0.5, _two(value), ha="center", va="center", size=theme.SMALL, color=ink)


def _ink(value: float, colours: ScalarMappable) -> str:
    """Return the text colour: dark on light cells, light on dark ones."""
    if not np.isfinite(value):
        return theme.QUIET
    red, green, blue, _ = colours.to_rgba(np.array(value))
    return theme.INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else theme.PAPER


def _two(value: float) -> str:
    return minus(f"{value:.2f}") if np.isfinite(value) else "–"


def _branches(axes: Axes, tree: Matrix, order: NDArray[np.int64]) -> None:
    for heights, positions in branches(tree, order):
        axes.plot(heights, positions, color=theme.INK, linewidth=0.9, solid_joinstyle="miter")
    axes.set_ylim(len(order), 0)
    farthest = max(tree[:, 2].max(), 1e-3)
    axes.set_xlim(-0.02 * farthest, 1.05 * farthest)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda height, _: minus(f"{1 - height:.2g}")))
    axes.set_xlabel("joined at", size=theme.SMALL)


def _bar(axes: Axes, colours: ScalarMappable, measure: str) -> None:
    bar = axes.figure.colorbar(colours, cax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=3, width=0.6, color=theme.QUIET, labelsize=theme.SMALL, labelcolor=theme.INK)
    bar.locator = MaxNLocator(6)
    bar.set_label(measure, size=theme.SMALL)
