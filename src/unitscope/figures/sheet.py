"""A sheet: a figure of the asked width, with its title above and its caption below.

In: a title, a caption, the height of what lies between. Out: a matplotlib Figure in which charts, tiles and text are
placed in pixels from the top left corner of what lies between. Independent of networks and units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from unitscope.figures import theme
from unitscope.figures.notebook_figure import NotebookFigure
from unitscope.figures.text_layout import wrap
from unitscope.figures.tile_layout import GAP, MARGIN, Box, Canvas

TALLEST = 1560  # pixels, 198 mm, so that a page of a journal holds a figure with its title and caption


def room() -> int:
    """Return the width in pixels between the margins of a sheet."""
    return theme.width() - 2 * MARGIN


def fitting(heights: Sequence[int], most: int = TALLEST) -> int:
    """Return how many of some blocks fit below each other in ``most`` pixels; at least one, if there is one."""
    total = list(accumulate(heights))
    return max(min(1, len(total)), sum(height <= most for height in total))


def left_out(shown: int, count: int) -> str:
    """Return the end of a caption that says how many blocks are drawn; empty if all are."""
    return f" The first {shown} of {count}, as many as a page holds." if shown < count else ""


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A figure whose coordinates are pixels from the top left corner below its title.

    Attributes:
        figure: the figure; its title and caption are drawn.
        top: the height in pixels of the title and its margin.
    """

    figure: Figure
    top: int

    @classmethod
    def of(cls, height: int, *, title: str, caption: str = "") -> "Sheet":
        """Return a sheet with ``height`` pixels between title and caption; either may be empty."""
        heading = wrap(title, theme.TITLE, room(), most=4) if title else []
        lines = wrap(caption, theme.SMALL, room()) if caption else []
        top = MARGIN + len(heading) * theme.line(theme.TITLE) + (GAP // 2 if heading else 0)
        below = height + (GAP if lines else 0)
        total = top + below + len(lines) * theme.line(theme.SMALL) + MARGIN
        figure = NotebookFigure(((theme.width() + 1e-6) / theme.DPI, (total + 1e-6) / theme.DPI), theme.DPI)
        figure.suppressComposite = True  # keep each tile a separate image in SVG and PDF
        sheet = cls(figure, top)
        sheet.lines(0, MARGIN - top, heading, size=theme.TITLE)
        sheet.lines(0, below, lines, size=theme.SMALL, color=theme.QUIET)
        return sheet

    def chart(self, box: Box) -> Axes:
        """Return empty axes whose frame is this box."""
        width, height = self._size()
        left, bottom = MARGIN + box.left, height - self.top - box.bottom
        return self.figure.add_axes((left / width, bottom / height, box.width / width, box.height / height))

    def write(self, x: float, y: float, text: str, **style: Any) -> Text:
        """Write one line of text with its top left corner at (x, y), unless ``style`` changes the alignment."""
        width, height = self._size()
        place = (MARGIN + x) / width, 1 - (self.top + y) / height
        return self.figure.text(*place, text, **{"va": "top", "size": theme.BODY, **style})

    def lines(self, x: float, y: float, lines: Sequence[str], *, size: float, **style: Any) -> None:
        """Write lines of text, one below the other."""
        for index, text in enumerate(lines):
            self.write(x, y + index * theme.line(size), text, size=size, **style)

    def canvas(self) -> Canvas:
        """Return invisible axes over the whole figure, for tiles."""
        width, height = self._size()
        axes = self.figure.add_axes((0, 0, 1, 1), autoscale_on=False)
        axes.set(xlim=(-MARGIN, width - MARGIN), ylim=(height - self.top, -self.top))
        axes.set_axis_off()
        return Canvas(self.figure, axes)

    def finished(self) -> Figure:
        """Return the figure with its ticks made now: matplotlib < 3.11 makes them later, in the caller's style."""
        self.figure.draw_without_rendering()
        return self.figure

    def _size(self) -> tuple[int, int]:
        width, height = (round(side * theme.DPI) for side in self.figure.get_size_inches())
        return width, height
