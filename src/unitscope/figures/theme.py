"""Style of all figures: fonts, sizes, colours, resolution.

In: nothing. Out: constants, and `context`, a context manager with matplotlib's settings for our figures, after which
the caller's rc settings are restored. Lengths on a sheet are pixels at `DPI`; font sizes are points.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager

DPI = 150

TITLE, BODY, SMALL = 13.0, 9.5, 8.5

PAPER = "#ffffff"
INK = "#1b1b1f"
QUIET = "#6b6b76"
HAIRLINE = "#d9d9de"
FRAME = "#b4b4bd"
BLANK = "#f0f0f2"
ACCENT = "#721f81"
# Three curves that can be told apart in grey too.
CURVES: tuple[dict[str, Any], ...] = (
    {"color": ACCENT, "linestyle": "-", "marker": "o"},
    {"color": "#f1605d", "linestyle": "--", "marker": "s"},
    {"color": INK, "linestyle": ":", "marker": "^"},
)

_FONT = "DejaVu Sans"
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Microsoft YaHei",
)


@cache
def fonts() -> tuple[str, ...]:
    """Return the font families: matplotlib's own, then installed ones that cover more scripts."""
    installed = set(font_manager.get_font_names())
    return (_FONT, *(name for name in _FALLBACKS if name in installed))


def line(size: float) -> int:
    """Return the line height in pixels of text with a size in points."""
    return round(size * 1.4 * DPI / 72)


@contextmanager
def context() -> Iterator[None]:
    """Draw with unitscope's settings within the context, and restore the caller's afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_settings())
        yield


def _settings() -> Any:
    return {
        "font.family": list(fonts()),
        "font.size": BODY,
        "text.color": INK,
        "text.parse_math": False,
        "figure.dpi": DPI,
        "figure.facecolor": PAPER,
        "axes.edgecolor": QUIET,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": BODY,
        "axes.titlelocation": "left",
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": HAIRLINE,
        "grid.linewidth": 0.6,
        "svg.hashsalt": "unitscope",
        "pdf.fonttype": 42,
    }
