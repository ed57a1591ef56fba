"""Draw a square matrix as a heat map with names on both axes, values in large cells, and a colour bar.

In: a matrix ``[row, row]``, names and, for clustered rows, SciPy's linkage. Out: a matplotlib Figure.
Independent of what the values mean. All lengths are pixels.
"""

from collections.abc import Sequence
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
from unitscope.figures.layer_axis import TICK
from unitscope.figures.sheet import Sheet, room
from unitscope.figures.text_layout import minus, shorten, widest
from unitscope.figures.tile_layout import GAP, Box

CELL, NARROWEST = 90, 180
NAME_SHARE, TREE_SHARE = 0.28, 0.13
BAR, BAR_ROOM = 18, 96
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
        short_names: one per row, used where there is no room for all names; None for every k-th name.
    """

    matrix: Matrix
    names: tuple[str, ...]
    title: str
    caption: str
    measure: str
    tree: Matrix | None = None
    short_names: tuple[str, ...] | None = None


def draw(data: HeatMap) -> Figure:
    """Return the figure of a heat map, in the width of the context."""
    with theme.context():
        order = np.arange(len(data.names)) if data.tree is None else leaves_list(data.tree)
        matrix = data.matrix[np.ix_(order, order)]
        plan = _Layout.of(data, order)
        sheet = Sheet.of(plan.height, title=data.title, caption=data.caption)
        colours = ScalarMappable(scale(matrix), COLOUR_MAP)
        _cells(sheet.chart(plan.map), matrix, colours, plan)
        if data.tree is not None:
            _branches(sheet.chart(plan.tree), data.tree, order)
        _bar(sheet.chart(plan.bar), colours, data.measure)
        return sheet.finished()


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
    """Boxes on the sheet, and the rows that are named: their positions and names."""

    map: Box
    tree: Box
    bar: Box
    shown: list[int]
    names: list[str]
    height: int

    @classmethod
    def of(cls, data: HeatMap, order: NDArray[np.int64]) -> "_Layout":
        names, step = _names(data), theme.line(theme.SMALL)
        across = ceil(widest(names, theme.SMALL)) + TICK
        tree = round(TREE_SHARE * room()) if data.tree is not None else 0
        free = room() - across - (tree + GAP if tree else 0) - GAP - BAR - BAR_ROOM
        side = max(NARROWEST, min(free, CELL * len(names)))
        every = ceil(len(names) * step / side)
        shown = list(range(0, len(names), every))
        square = Box(across, 0, side, side)
        branches = Box(square.right + GAP, 0, tree, side)
        bar = Box((branches.right if tree else square.right) + GAP, 0, BAR, side)
        below = max(across, 3 * step if tree else 0)
        return cls(square, branches, bar, shown, [names[order[n]] for n in shown], side + below)


def _names(data: HeatMap) -> list[str]:
    """Return the names that the rows have room for: the short ones where all names don't fit."""
    fit = len(data.names) * theme.line(theme.SMALL) <= (1 - NAME_SHARE) * room() - BAR_ROOM
    names: Sequence[str] = data.names if fit or data.short_names is None else data.short_names
    return [shorten(name, theme.SMALL, NAME_SHARE * room(), keep_end="/" in name) for name in names]


def _cells(axes: Axes, matrix: Matrix, colours: ScalarMappable, plan: _Layout) -> None:
    axes.grid(visible=False)
    axes.set_facecolor(theme.BLANK)
    cells = colours.to_rgba(np.ma.masked_invalid(matrix))
    cells[np.diag(np.isfinite(np.diag(matrix)))] = to_rgba(theme.FRAME)
    axes.pcolormesh(cells, rasterized=True)
    axes.set_ylim(len(matrix), 0)
    axes.spines[:].set_visible(False)
    axes.set_xticks([n + 0.5 for n in plan.shown], plan.names, rotation=90)
    axes.set_yticks([n + 0.5 for n in plan.shown], plan.names)
    cell = plan.map.width / len(matrix)
    if cell < widest([_two(value) for value in matrix.flat], theme.SMALL) + 6:
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
        axes.plot(heights, positions, color=theme.INK, linewidth=0.7, solid_joinstyle="miter")
    axes.grid(visible=False)
    axes.set_ylim(len(order), 0)
    farthest = max(tree[:, 2].max(), 1e-3)
    axes.set_xlim(-0.02 * farthest, 1.05 * farthest)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda height, _: minus(f"{1 - height:.2g}")))
    axes.set_xlabel("joined at", size=theme.SMALL)


def _bar(axes: Axes, colours: ScalarMappable, measure: str) -> None:
    bar = axes.figure.colorbar(colours, cax=axes)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(6)
    bar.set_label(measure, size=theme.SMALL)
