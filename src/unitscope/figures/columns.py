"""Where the columns of a structure lie: one scale for all maps, stacks from shallow to deep, room beside them.

In: the columns of a `Structure`. Out: boxes, by plain arithmetic; nothing is drawn.
One cell of any map is a square of the same side, so a 56×56 map is 4 times as wide as a 14×14.
"""

from dataclasses import dataclass
from math import ceil

from unitscope.figures import theme
from unitscope.figures.lettering import shorten, widest, width, wrap
from unitscope.figures.mosaics import GAP, Box, flow
from unitscope.views import Column

NUMBER = theme.line(theme.SMALL)
ROW_GAP = 8
HEADER_ROOM = 270
TALLEST = 2200


@dataclass(frozen=True, slots=True)
class Stack:
    """One column on the sheet: its span, its header's lines, and a box for each map."""

    left: int
    width: int
    header: tuple[str, ...]
    tiles: tuple[Box, ...]
    bottom: int


def scale_of(sizes: list[tuple[int, int]]) -> float:
    """Return the pixels of a cell's side for maps of these (rows, columns), one entry a layer.

    A whole number with which the smallest map (single cells left aside) is at least 28 pixels wide and the
    largest 224, unless the largest would pass 448 or all side by side 2400. Only maps that are themselves
    larger than 448 are shrunk.
    """
    sides = [max(size) for size in sizes]
    largest, smallest = max(sides, default=1), min((side for side in sides if side > 1), default=1)
    wanted = max(ceil(28 / smallest), ceil(224 / largest))
    most = min(16, 448 // largest, 2400 // max(1, sum(columns for _, columns in sizes)))
    return min(1.0, 448 / largest) if most < 1 else float(min(wanted, most))


def header(column: Column) -> tuple[str, ...]:
    """Return the lines above a column: the layer's name in at most two, then its maps' size and its units."""
    lines = wrap(column.layer.name, theme.SMALL, HEADER_ROOM, after=".")
    if len(lines) > 2:
        lines = [lines[0], shorten("".join(lines[1:]), theme.SMALL, HEADER_ROOM, keep_end=True)]
    rows, columns = column.maps.shape[1:]
    return (*lines, f"{rows}×{columns} · {column.layer.units} unit{'s' * (column.layer.units != 1)}")


def stacks(columns: tuple[Column, ...], scale: float, *, left: int, top: int) -> list[Stack]:
    """Return the columns side by side from `left`, their first maps at `top`."""
    placed: list[Stack] = []
    for column in columns:
        placed.append(_stack(column, scale, left, top))
        left += placed[-1].width + GAP
    return placed


def upright(placed: list[Stack]) -> bool:
    """Return whether every header fits above its column as written; if not, all are turned by 90°."""
    return all(widest(list(stack.header), theme.SMALL) <= stack.width for stack in placed)


def place_panel(sizes: list[tuple[int, int]], placed: list[Stack], *, top: int) -> list[Box]:
    """Return boxes for blocks (width, height): right of the columns from `top`, or below the short deep ones.

    Of all these places it is the one with which the whole sheet stays smallest (width plus height).
    """
    least = max((width for width, _ in sizes), default=0)
    edge = max((stack.left + stack.width for stack in placed), default=0)
    places = [(edge + 2 * GAP, top, times * least) for times in (1, 2, 3)]
    for number, stack in enumerate(placed):
        below = max(other.bottom for other in placed[number:]) + 2 * GAP
        places.append((stack.left, below, max(least, edge - stack.left)))
    layouts = [[box.moved(x, y) for box in flow(sizes, room)] for x, y, room in places]
    lowest = max((stack.bottom for stack in placed), default=0)
    return min(layouts, key=lambda boxes: sum(extent(boxes, edge, lowest)))


def extent(boxes: list[Box], right: int, bottom: int) -> tuple[int, int]:
    """Return the right and the bottom edge of the boxes and of what reaches to those given."""
    return max([right, *(box.right for box in boxes)]), max([bottom, *(box.bottom for box in boxes)])


def _stack(column: Column, scale: float, left: int, top: int) -> Stack:
    rows, columns = (max(1, round(side * scale)) for side in column.maps.shape[1:])
    count, step = len(column.units), rows + NUMBER + ROW_GAP
    across = ceil(count / max(1, TALLEST // step))
    down = ceil(count / across) if across else 0
    lines = header(column)
    number = ceil(widest([str(unit) for unit in column.units], theme.SMALL))
    pitch = max(columns, number) + GAP
    span = max(across * pitch - GAP, len(lines) * NUMBER)
    inset = left + (span - across * pitch + GAP) // 2 + (pitch - GAP - columns) // 2
    tiles = tuple(
        Box(inset + (rank // down) * pitch, top + (rank % down) * step, columns, rows)
        for rank in range(count)
    )
    return Stack(left, span, lines, tiles, top + down * step - ROW_GAP)


def header_height(placed: list[Stack]) -> int:
    """Return the pixels that the headers take above the maps."""
    if upright(placed):
        return max((len(stack.header) for stack in placed), default=0) * NUMBER
    return ceil(max(width(text, theme.SMALL) for stack in placed for text in stack.header)) + ROW_GAP
