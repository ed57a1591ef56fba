"""Legends: rows of entries that wrap like words, each the style of a curve and its name.

In: names with styles. Out: their boxes, and the entries drawn on a sheet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from matplotlib.lines import Line2D

from unitscope.figures import theme
from unitscope.figures.sheet import Sheet
from unitscope.figures.text_layout import shorten, width
from unitscope.figures.tile_layout import GAP, MARGIN, Box

SWATCH, SPACE = 48, 8
Style = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Legend:
    """Entries in rows of a given width; positions are pixels from the top left corner of the legend."""

    names: tuple[str, ...]
    styles: tuple[Style, ...]
    boxes: tuple[Box, ...]

    @classmethod
    def of(cls, entries: Sequence[tuple[str, Style]], room: int) -> "Legend":
        """Return the legend of these names and styles, in a width of ``room`` pixels."""
        names = tuple(shorten(name, theme.SMALL, room - SWATCH - SPACE, keep_end="/" in name) for name, _ in entries)
        step, left, top, boxes = theme.line(theme.SMALL), 0, 0, []
        for name in names:
            wide = SWATCH + SPACE + ceil(width(name, theme.SMALL))
            if left and left + wide > room:
                left, top = 0, top + step
            boxes.append(Box(left, top, wide, step))
            left += wide + GAP
        return cls(names, tuple(style for _, style in entries), tuple(boxes))

    @property
    def height(self) -> int:
        """The height in pixels; 0 without entries."""
        return max((box.bottom for box in self.boxes), default=0)

    def draw(self, sheet: Sheet, left: float, top: float) -> None:
        """Draw the entries on a sheet, with the legend's top left corner at (left, top)."""
        width, height = sheet.figure.get_size_inches() * theme.DPI
        for name, style, box in zip(self.names, self.styles, self.boxes, strict=True):
            middle = top + box.top + box.height / 2
            start = MARGIN + left + box.left
            across = [(start + share * SWATCH) / width for share in (0, 0.5, 1)]
            down = [1 - (sheet.top + middle) / height] * 3
            sheet.figure.add_artist(Line2D(across, down, markevery=[1], transform=sheet.figure.transFigure, **style))
            sheet.write(left + box.left + SWATCH + SPACE, middle, name, size=theme.SMALL, va="center_baseline")
