"""Fit text into a given width: measure it, shorten it with an ellipsis, break it into lines.

In: any text (file names, class names, layer names) and the available width in pixels.
Out: text that fits into that width and that the figures' fonts can display.
"""

from collections.abc import Iterable
from functools import cache, lru_cache

from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

from unitscope.figures import theme

_UNKNOWN = "□"


def printable(text: str) -> str:
    """Return the text on one line, with a box for each character that the fonts don't have."""
    return "".join(letter if ord(letter) in _glyphs() else _UNKNOWN for letter in " ".join(text.split()))


@lru_cache(maxsize=8192)
def width(text: str, size: float) -> float:
    """Return the width in pixels of a line of text; ``size`` is in points."""
    font = FontProperties(family=list(theme.fonts()), size=size)
    return float(_renderer().get_text_width_height_descent(text, font, ismath=False)[0])


def number(value: float) -> str:
    """Return a number with four significant digits and a typographic minus sign."""
    return minus(f"{value:#.4g}")


def minus(text: str) -> str:
    """Return the text with typographic minus signs instead of hyphens."""
    return text.replace("-", "−")


def widest(lines: Iterable[str], size: float) -> float:
    """Return the width in pixels of the widest line; 0 if there are no lines."""
    return max((width(text, size) for text in lines), default=0.0)


def shorten(text: str, size: float, room: float, *, keep_end: bool = False) -> str:
    """Return the text, or as much of its start (or end) as fits into ``room`` pixels with an ellipsis."""
    text = printable(text)
    if width(text, size) <= room:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if width(_cut(text, middle, keep_end), size) <= room:
            fits = middle
        else:
            too_long = middle
    return _cut(text, fits, keep_end)


def wrap(text: str, size: float, room: float, *, after: str = " ", most: int = 99) -> list[str]:
    """Return at most ``most`` lines of ``room`` pixels, broken after a character; long lines are shortened."""
    lines = [""]
    for piece in printable(text).replace(after, f"{after}\n").split("\n"):
        if lines[-1] and width((lines[-1] + piece).rstrip(), size) > room:
            lines.append("")
        lines[-1] += piece
    if len(lines) > most:
        lines[most - 1 :] = ["".join(lines[most - 1 :])]
    return [shorten(entry, size, room, keep_end=True) for entry in lines]


def _cut(text: str, count: int, keep_end: bool) -> str:
    return "…" + text[len(text) - count :].lstrip() if keep_end else text[:count].rstrip() + "…"


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, theme.DPI)


@cache
def _glyphs() -> frozenset[int]:
    paths = (font_manager.findfont(FontProperties(family=name)) for name in theme.fonts())
    return frozenset().union(*(font_manager.get_font(path).get_charmap() for path in paths))
