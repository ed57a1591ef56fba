"""One function that draws any result.

In: a result of an analysis, or a sheet of `unitscope.display`. Out: a matplotlib Figure.
Each module of this package registers its figures with ``@draw.register``.
"""

import importlib
import pkgutil
from functools import cache, singledispatch
from typing import Any

from matplotlib.figure import Figure

from unitscope.errors import UnitscopeError


@singledispatch
def draw(result: Any) -> Figure:
    """Return the figure of a result or sheet.

    Raises:
        UnitscopeError: if there is no figure of its type.
    """
    _load_figures()
    drawer = draw.dispatch(type(result))
    if drawer is draw.dispatch(object):
        raise UnitscopeError(f"there is no figure for {type(result).__name__}; read it as tables or JSON")
    return drawer(result)


@cache
def _load_figures() -> None:
    """Import all modules of this package, so that each registers its figures."""
    package = importlib.import_module("unitscope.figures")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"unitscope.figures.{module.name}")
