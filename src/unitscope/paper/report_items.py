"""What a report holds: tables, pictures, and what can't be had, with the reason.

In: what makes one. Out: `Table`, `Picture` or `Missing`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
from matplotlib.figure import Figure

from unitscope.errors import UnitscopeError

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table of the report: file name, title, rows, and notes for the reader."""

    name: str
    title: str
    rows: pd.DataFrame
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure of the report: file name, title, drawing, and notes for the reader."""

    name: str
    title: str
    figure: Figure
    note: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """What can't be had here, and why."""

    title: str
    reason: str


Item = Table | Picture | Missing


def attempt(title: str, make: Callable[[], Made]) -> Made | Missing:
    """Return what is made, or why it can't be had: one table or figure that fails never ends the report."""
    try:
        return make()
    except UnitscopeError as problem:
        return Missing(title, str(problem).rstrip("."))
