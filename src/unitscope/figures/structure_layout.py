"""Layout of a structure figure: one stack of maps per layer, from shallow to deep.

In: the columns of a `Structure`. Out: boxes; nothing is drawn here.
All maps are equally large (`Equal`), or all cells are, so that a 56×56 map is 4 times as wide as a 14×14 map
(`Proportional`).
"""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from unitscope.display.structure import LayerTopUnits
from unitscope.figures import theme
from unitscope.figures.text_layout import widest, wrap
from unitscope.figures.tile_layout import GAP, Box, flow
from unitscope.text import count_noun

NUMBER = theme.line(theme.SMALL)
ROW_GAP = 8
HEADER_ROOM = 270
SMALLEST, TILE = 56, 112
TALLEST = 2500


@dataclass(frozen=True, slots=True)
class Equal:
    """All maps are equally large, whatever their number of cells: ``side`` pixels wide or high."""

    side: int = TILE

    words: ClassVar[str] = "all maps are equally large, with their number of cells above them"

    def size(self, rows: int, columns: int) -> tuple[int, int]:
        """Return height and width in pixels of a map of cells."""
        box = Box(0, 0, self.side, self.side).fit(rows, columns)
        return box.height, box.width

    def facts(self, shape: str, units: str) -> tuple[str, ...]:
        """Return the lines above a column that tell the shape of its maps and the number of its units."""
        return shape, units


@dataclass(frozen=True, slots=True)
class Proportional:
    """All cells are equally large, ``scale`` pixels wide."""

    scale: float

    @property
    def words(self) -> str:
        """The form in words."""
        return f"all maps in true proportion ({self.scale:.3g} px per cell)"

    def size(self, rows: int, columns: int) -> tuple[int, int]:
        """Return height and width in pixels of a map of cells."""
        return max(1, round(rows * self.scale)), max(1, round(columns * self.scale))

    def facts(self, shape: str, units: str) -> tuple[str, ...]:
        """Return the line above a column that tells the shape of its maps and the number of its units."""
        return (f"{shape} · {units}",)


Form = Equal | Proportional


@dataclass(frozen=True, slots=True)
class Stack:
    """One column on the sheet: its position, the lines of its header (rotated by 90° or not), a box for each map.

    The last ``quiet`` lines of the header are facts beside the layer's name.
    """

    left: int
    width: int
    header: tuple[str, ...]
    quiet: int
    turned: bool
    tiles: tuple[Box, ...]
    bottom: int


def scale_of(sizes: list[tuple[int, int]]) -> float:
    """Return the size of a cell in pixels, for maps of these (rows, columns), one entry per layer.

    It is a whole number, so that the smallest map (except single cells) is at least 28 pixels wide and the largest 224,
    unless the largest would be wider than 448 pixels or all maps together wider than 2400. Only maps with more than 448
    cells are downscaled.
    """
    sides = [max(size) for size in sizes]
    largest, smallest = max(sides, default=1), min((side for side in sides if side > 1), default=1)
    wanted = max(ceil(28 / smallest), ceil(224 / largest))
    most = min(16, 448 // largest, 2400 // max(1, sum(columns for _, columns in sizes)))
    return min(1.0, 448 / largest) if most < 1 else float(min(wanted, most))


def header(column: LayerTopUnits, form: Form, room: float = HEADER_ROOM) -> tuple[str, ...]:
    """Return the lines above a column: the layer's name in at most two lines, the size of its maps, its units."""
    rows, columns = column.maps.shape[1:]
    facts = form.facts(f"{rows}×{columns}", count_noun(column.layer.units, "unit"))
    return (*wrap(column.layer.name, theme.SMALL, room, after=".", most=2), *facts)


def stacks(columns: tuple[LayerTopUnits, ...], form: Form, *, left: int, top: int) -> list[Stack]:
    """Return the columns side by side, starting at ``left``, with their first maps at ``top``."""
    placed: list[Stack] = []
    for column in columns:
        placed.append(_stack(column, form, left, top))
        left += placed[-1].width + GAP
    return placed


def bands(columns: tuple[LayerTopUnits, ...], form: Form, room: int) -> list[list[Stack]]:
    """Return the columns side by side in bands of at most ``room`` pixels, one band below the other."""
    rows: list[list[LayerTopUnits]] = []
    left = room
    for column, stack in zip(columns, stacks(columns, form, left=0, top=0), strict=True):
        if not rows or left + stack.width > room:
            rows.append([])
            left = 0
        rows[-1].append(column)
        left += stack.width + GAP
    placed: list[list[Stack]] = []
    top = 0
    for row in rows:
        head = header_height(stacks(tuple(row), form, left=0, top=0))
        placed.append(stacks(tuple(row), form, left=0, top=top + head + ROW_GAP))
        top = max(stack.bottom for stack in placed[-1]) + 2 * GAP
    return placed


def place_panel(
    rows: list[list[tuple[int, int]]], placed: list[Stack], *, top: int, limit: int | None = None
) -> list[Box]:
    """Return boxes for rows of blocks (width, height), to the right of the columns or below short ones.

    Choose the position that keeps the sheet smallest (width plus height), within ``limit`` pixels from the left.
    """
    least = max((width for row in rows for width, _ in row), default=0)
    edge = max((stack.left + stack.width for stack in placed), default=0)
    rooms = [times * (least + 2 * GAP) for times in (1, 2, 3)]
    places = [(edge + 2 * GAP, top, room) for room in rooms]
    for number, stack in enumerate(placed):
        below = max(other.bottom for other in placed[number:]) + 2 * GAP
        places += [(stack.left, below, room) for room in (max(least, edge - stack.left), *rooms)]
    layouts = [[box.moved(x, y) for box in flow(rows, room)] for x, y, room in places]
    lowest = max((stack.bottom for stack in placed), default=0)
    if limit is not None:
        under = [box.moved(0, lowest + 2 * GAP if placed else top) for box in flow(rows, limit)]
        layouts = [under, *(boxes for boxes in layouts if extent(boxes, 0, 0)[0] <= limit)]
        return min(layouts, key=lambda boxes: extent(boxes, edge, lowest)[1])
    return min(layouts, key=lambda boxes: sum(extent(boxes, edge, lowest)))


def extent(boxes: list[Box], right: int, bottom: int) -> tuple[int, int]:
    """Return the right and bottom edges of the boxes, at least the given ones."""
    return max([right, *(box.right for box in boxes)]), max([bottom, *(box.bottom for box in boxes)])


def _stack(column: LayerTopUnits, form: Form, left: int, top: int) -> Stack:
    shape = column.maps.shape[1:]
    rows, columns = form.size(*shape)
    count, step = len(column.units), rows + NUMBER + ROW_GAP
    across = ceil(count / max(1, TALLEST // step))
    down = ceil(count / across) if across else 0
    number = ceil(widest([str(unit) for unit in column.units], theme.SMALL))
    pitch = max(columns, number) + GAP
    span = across * pitch - GAP
    lines = header(column, form, span)
    if turned := widest(lines, theme.SMALL) > span or "…" in "".join(lines):
        lines = header(column, Proportional(1))
        span = max(span, len(lines) * NUMBER)
    inset = left + (span - across * pitch + GAP) // 2 + (pitch - GAP - columns) // 2
    tiles = tuple(
        Box(inset + (rank // down) * pitch, top + (rank % down) * step, columns, rows) for rank in range(count)
    )
    quiet = 1 if turned else len(form.facts("", ""))
    return Stack(left, span, lines, quiet, turned, tiles, top + down * step - ROW_GAP)


def header_height(placed: list[Stack]) -> int:
    """Return the height in pixels of the headers above the maps."""
    straight = [len(stack.header) * NUMBER for stack in placed if not stack.turned]
    turned = [ceil(widest(stack.header, theme.SMALL)) + ROW_GAP for stack in placed if stack.turned]
    return max([*straight, *turned], default=0)
