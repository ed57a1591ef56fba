"""Plotly's script, which draws the charts, from its package.

In: nothing. Out: the file, and the ids of its style elements.
"""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

_STYLE = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


def script() -> Path:
    """Return the path of Plotly's script."""
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))


@cache
def style_ids() -> tuple[str, ...]:
    """Return the ids of the style elements that the script adds, for its maps, to pages without them.

    Pages have empty elements with these ids: their security policy forbids inline styles, and no chart is a map.
    """
    return tuple(sorted({found.decode() for found in _STYLE.findall(script().read_bytes())}))
