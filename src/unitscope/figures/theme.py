"""Style of all figures: fonts, sizes, colours, resolution, and the width of a sheet.

In: a width. Out: constants, and `context`, a context manager with matplotlib's settings for our figures, after which
the caller's rc settings are restored. All sizes are those in print: font sizes are points, the same in figures of any
width; lengths on a sheet are pixels, 200 an inch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager

from unitscope.figures import widths

DPI = 200

TITLE, BODY, SMALL = 9.5, 7.5, 6.5

PAPER = "#ffffff"
INK = "#1b1b1f"
QUIET = "#5c5c66"
HAIRLINE = "#d9d9de"
FRAME = "#b4b4bd"
BLANK = "#f0f0f2"
ACCENT = "#721f81"
THICK, THIN, MARKER = 1.1, 0.6, 2.8
# Curves that can be told apart in grey, too: colour, line and marker all differ.
CURVES: tuple[dict[str, Any], ...] = (
    {"color": ACCENT, "linestyle": "-", "marker": "o"},
    {"color": "#e8603c", "linestyle": "--", "marker": "s"},
    {"color": INK, "linestyle": ":", "marker": "^"},
    {"color": "#3f7fa8", "linestyle": "-.", "marker": "v"},
    {"color": "#a67c00", "linestyle": (0, (5, 1)), "marker": "D"},
)

_FONT = "DejaVu Sans"
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Microsoft YaHei",
)
_SIMILAR = [_FONT, "Verdana"]  # of the same widths, for viewers of an SVG that lack the font
_width = ContextVar("width", default=widths.COLUMNS["double"])


def width() -> int:
    """Return the width in pixels of a sheet in this context."""
    return round(widths.inches(_width.get()) * DPI)


@cache
def fonts() -> tuple[str, ...]:
    """Return the font families: matplotlib's own, then installed ones that cover more scripts."""
    installed = set(font_manager.get_font_names())
    return (_FONT, *(name for name in _FALLBACKS if name in installed))


def line(size: float) -> int:
    """Return the line height in pixels of text with a size in points."""
    return round(size * 1.4 * DPI / 72)


@contextmanager
def context(width: str | None = None) -> Iterator[None]:
    """Draw with unitscope's settings within the context, and restore the caller's afterwards.

    Args:
        width: the width of sheets, such as ``85mm``; None for that of an outer context, or 170 mm.

    Raises:
        UnitscopeError: if it is not a width.
    """
    if width is not None:
        widths.inches(width)
    before = _width.set(_width.get() if width is None else width)
    try:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_settings())
            yield
    finally:
        _width.reset(before)


def _settings() -> Any:
    return {
        "font.family": [*fonts(), "sans-serif"],
        "font.sans-serif": _SIMILAR,
        "font.size": BODY,
        "text.color": INK,
        "text.parse_math": False,
        "text.hinting": "none",  # so that text is as wide at any resolution as it was measured
        "figure.dpi": DPI,
        "figure.facecolor": PAPER,
        "axes.edgecolor": QUIET,
        "axes.linewidth": 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": BODY,
        "axes.titlelocation": "left",
        "axes.labelsize": SMALL,
        "axes.labelpad": 2.5,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": HAIRLINE,
        "grid.linewidth": 0.5,
        "lines.linewidth": THICK,
        "lines.markersize": MARKER,
        **{f"{axis}tick.{name}": value for axis in "xy" for name, value in _TICKS.items()},
        "svg.fonttype": "none",
        "svg.hashsalt": "unitscope",
        "pdf.fonttype": 42,
    }


_TICKS = {
    "major.size": 2.2,
    "major.width": 0.5,
    "major.pad": 2.2,
    "color": QUIET,
    "labelcolor": INK,
    "labelsize": SMALL,
}
