"""The items of a report: tables, pictures, and the reasons for those that can't be made.

In: a function that makes one. Out: `Table`, `Picture` or `Missing`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from unitscope.errors import ImageAccessError, UnitscopeError, WriteError

T = TypeVar("T")


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
    """A table or figure that can't be made, and the reason."""

    title: str
    reason: str


Item = Table | Picture | Missing


class Named(Protocol):
    """Something with a name, such as a network of the report."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


def left_out(found: Iterable[tuple[Named, object]]) -> str:
    """Return the names of what is `Missing` for a table, each with its reason; empty if nothing is."""
    return "; ".join(f"{one.name}: {item.reason}" for one, item in found if isinstance(item, Missing))


def table_of(name: str, title: str, rows: pd.DataFrame, *, note: str, missing: str) -> Table | Missing:
    """Return a table whose note ends with what was `left_out`, or `Missing` if it has no rows."""
    if rows.empty:
        return Missing(title, missing or "no images")
    return Table(name, title, rows, f"{note} Left out: {missing}." if missing else note)


def attempt(title: str, make: Callable[[], T]) -> T | Missing:
    """Return the item made, or `Missing` if it fails with an error of unitscope's, so that the report goes on.

    Raises:
        ImageAccessError: if an image can't be opened or read, since the item could be made once it can.
        WriteError: if the disk is full or read-only.
    """
    try:
        return make()
    except (ImageAccessError, WriteError):
        raise
    except UnitscopeError as problem:
        return Missing(title, str(problem).rstrip("."))
