"""One function that draws any result.

In: a result of an analysis, or a sheet of `unitscope.display`. Out: a matplotlib Figure.
Each module of this package registers its figures with ``@draw.register``: functions of a result, with the keywords
``width`` and ``title``.
"""

import importlib
import pkgutil
from functools import cache, singledispatch
from typing import Any

from matplotlib.figure import Figure

from unitscope.errors import UnitscopeError


@singledispatch
def draw(result: Any, *, width: str | None = None, title: str | None = None) -> Figure:
    """Return the figure of a result or sheet.

    Args:
        result: what an analysis or experiment returns, or a sheet with pictures.
        width: the width in print: ``85mm``, ``8.5cm``, ``3.35in``, ``single`` or ``double`` (85 and 170 mm, as the
            columns of journals); None for 170 mm. Text has the same size at each width.
        title: text above the figure; None for the figure's own, an empty text for none.

    Raises:
        UnitscopeError: if there is no figure of its type, or the width is not one.
    """
    _load_figures()
    drawer = draw.dispatch(type(result))
    if drawer is draw.dispatch(object):
        raise UnitscopeError(f"there is no figure for {type(result).__name__}; read it as tables or JSON")
    return drawer(result, width=width, title=title)


@cache
def _load_figures() -> None:
    """Import all modules of this package, so that each registers its figures."""
    package = importlib.import_module("unitscope.figures")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"unitscope.figures.{module.name}")
