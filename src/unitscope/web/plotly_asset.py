"""Plotly's script, which draws the charts, as its package ships it.

In: nothing. Out: the file, and what its styles are called.
"""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

_STYLE = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


def script() -> Path:
    """Return the file of Plotly's script."""
    return Path(str(files("plotly") / "package_data" / "plotly.min.js"))


@cache
def style_ids() -> tuple[str, ...]:
    """Return the ids of style elements that the script would add for its maps, had the page none of that id.

    Pages have elements of these ids, since their security policy forbids styles in the page, and no chart is a map.
    """
    return tuple(sorted({found.decode() for found in _STYLE.findall(script().read_bytes())}))
