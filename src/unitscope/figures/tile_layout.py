"""Draw sheets of tiles: figures whose coordinates are pixels from the top left corner.

In: boxes, arrays, lines of text. Out: a matplotlib Figure in which all tiles are aligned to whole pixels.
Independent of networks and units.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from unitscope.display.heatmaps import COLOUR_MAP, Picture
from unitscope.figures import theme
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import wrap

MARGIN, GAP = 16, 18


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a sheet, in pixels from the top left."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first pixel column to the right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first pixel row below the box."""
        return self.top + self.height

    def moved(self, right: int, down: int) -> "Box":
        """Return the box, moved by this many pixels."""
        return Box(self.left + right, self.top + down, self.width, self.height)

    def fit(self, rows: int, columns: int) -> "Box":
        """Return the largest box with the aspect ratio rows:columns inside this one, centred."""
        factor = min(self.height / rows, self.width / columns)
        height, width = max(1, round(rows * factor)), max(1, round(columns * factor))
        return Box(self.left + (self.width - width) // 2, self.top + (self.height - height) // 2, width, height)


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A figure covered by invisible axes whose coordinates are pixels."""

    figure: Figure
    axes: Axes

    @classmethod
    def blank(cls, width: int, height: int) -> "Canvas":
        """Return an empty canvas; width and height are in pixels."""
        # Slightly more than the whole number, since float rounding could otherwise lose one pixel.
        figure = NotebookFigure(((width + 1e-6) / theme.DPI, (height + 1e-6) / theme.DPI), theme.DPI)
        figure.suppressComposite = True  # keep each tile a separate image in SVG and PDF
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)
        axes.set_axis_off()
        return cls(figure, axes)

    def image(self, values: NDArray[Any], box: Box) -> AxesImage:
        """Draw tones ``[row, column]`` or a picture ``[row, column, RGB]``, without smoothing, in a thin frame."""
        self.fill(Box(box.left - 1, box.top - 1, box.width + 2, box.height + 2), theme.FRAME)
        return self.axes.imshow(
            values,
            cmap=COLOUR_MAP,
            vmin=0,
            vmax=1,
            extent=(box.left, box.right, box.bottom, box.top),
            aspect="auto",
            interpolation="nearest",
            zorder=2,
        )

    def fill(self, box: Box, colour: str) -> None:
        """Draw a filled rectangle."""
        self.axes.add_patch(Rectangle((box.left, box.top), box.width, box.height, color=colour, linewidth=0))

    def write(self, x: float, y: float, text: str, **style: Any) -> Text:
        """Write one line of text with its top left corner at (x, y), unless ``style`` changes the alignment."""
        return self.axes.text(x, y, text, **{"va": "top", "size": theme.BODY, **style})

    def blank_tile(self, box: Box, words: str = "not available") -> None:
        """Draw a placeholder for a tile without data, with the reason in words."""
        self.fill(box, theme.BLANK)
        lines = wrap(words, theme.SMALL, box.width)
        middle, top = box.left + box.width / 2, box.top + (box.height - len(lines) * theme.line(theme.SMALL)) / 2
        for index, text in enumerate(lines):
            style = {"ha": "center", "size": theme.SMALL, "color": theme.QUIET}
            self.write(middle, top + index * theme.line(theme.SMALL), text, **style)


def flow(rows: list[list[tuple[int, int]]], width: int) -> list[Box]:
    """Return boxes for rows of blocks (width, height), which wrap like words in a text of this width."""
    boxes: list[Box] = []
    for row in rows:
        left, top = 0, max((box.bottom + GAP for box in boxes), default=0)
        for block_width, block_height in row:
            if left and left + block_width > width:
                left, top = 0, max(box.bottom for box in boxes) + GAP
            boxes.append(Box(left, top, block_width, block_height))
            left += block_width + 2 * GAP
    return boxes


def resized(picture: Picture, box: Box) -> Picture:
    """Return a picture ``[row, column, RGB]``, resized to the box with smoothing."""
    if picture.shape[:2] == (box.height, box.width):
        return picture
    size = (box.width, box.height)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))
