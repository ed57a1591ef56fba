"""A unit and an image as three tiles in a row: the picture, the activation map, the picture where the map is bright.

In: pictures, tones, and the width of a row in pixels. Out: tiles on a canvas. A map of one cell or one value shows no
place, so that words stand in its tile instead of a flat square.
"""

from dataclasses import dataclass

from unitscope.display.heatmaps import Picture, Tones, overlay
from unitscope.figures.tile_layout import GAP, Box, Canvas, resized

SEAM, NARROWEST, WIDEST = 5, 290, 690


@dataclass(frozen=True, slots=True)
class TileRows:
    """Blocks of three tiles in rows of ``across``; lengths are pixels."""

    across: int
    side: int

    @classmethod
    def of(cls, count: int, room: int, *, most: int) -> "TileRows":
        """Return rows for ``count`` blocks, at most ``most`` in a row, as wide as ``room`` allows."""
        across = max(1, min(count, most, (room + 2 * GAP) // (NARROWEST + 2 * GAP)))
        block = min(WIDEST, (room - (across - 1) * 2 * GAP) // across)
        return cls(across, (block - 2 * SEAM) // 3)

    @property
    def block(self) -> int:
        """The width of a block."""
        return 3 * self.side + 2 * SEAM

    def down(self, count: int) -> int:
        """Return the number of rows of ``count`` blocks."""
        return -(-count // self.across)

    def place(self, index: int, height: int) -> tuple[int, int]:
        """Return the left and top of a block, for blocks of this height."""
        return (index % self.across) * (self.block + 2 * GAP), (index // self.across) * height

    def tiles(self, left: int, top: int) -> list[Box]:
        """Return the three square tiles of a block."""
        return [Box(left + n * (self.side + SEAM), top, self.side, self.side) for n in range(3)]


def draw_tiles(canvas: Canvas, boxes: list[Box], picture: Picture | None, tones: Tones | None) -> list[Box]:
    """Draw a picture, its map and both, with words where one is missing; return the boxes drawn in."""
    if picture is not None:
        boxes = [box.fit(*picture.shape[:2]) for box in boxes]
        picture = resized(picture, boxes[0])
        canvas.image(picture, boxes[0])
    else:
        canvas.blank_tile(boxes[0])
    if tones is None:
        canvas.blank_tile(boxes[1])
    elif tones.min() == tones.max():
        canvas.blank_tile(boxes[1], "one cell" if tones.size == 1 else "constant" if tones.any() else "all zero")
    else:
        canvas.image(tones, boxes[1])
    if picture is None or tones is None:
        canvas.blank_tile(boxes[2])
    else:
        canvas.image(overlay(picture, tones), boxes[2])
    return boxes
