"""One quiet look for every figure: fonts, sizes, colours, resolution.

In: nothing. Out: constants, and `look`, inside which matplotlib draws our way.
All lengths on a sheet are pixels at `DPI`; sizes of type are points. Nothing here lasts: the caller's own
rc settings are back as soon as the figure is drawn.
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
# Three curves that differ in grey too.
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
    """Return the families that text is set in: matplotlib's own, then those here that know more scripts."""
    installed = set(font_manager.get_font_names())
    return (_FONT, *(name for name in _FALLBACKS if name in installed))


def line(size: float) -> int:
    """Return the pixels from one line of text to the next."""
    return round(size * 1.4 * DPI / 72)


@contextmanager
def look() -> Iterator[None]:
    """Draw with unitscope's settings, whatever the caller's are, and put the caller's back."""
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
