"""Tables on stdout that fit the terminal, and whole tables as CSV files.

In: tables with their titles. Out: text and files. A long or wide table is cut, and a line below says what is left out.
"""

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unitscope.errors import UnitscopeError
from unitscope.files import atomic_path
from unitscope.text import count_noun

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 40
"""Number of rows printed of a result's table."""
WIDTH = 120
"""Columns of text where stdout is no terminal, unless the variable COLUMNS says otherwise."""
_GAP, _NARROWEST = 2, 24  # characters: between columns, and of a column of text


@dataclass(frozen=True, slots=True)
class Rounded:
    """A number, formatted for display."""

    text: str

    def __str__(self) -> str:
        return self.text


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "", more: str = "", csv: bool = False
) -> None:
    """Print a table on stdout; columns of numbers are aligned right, and columns that don't fit are left out.

    Args:
        columns: names of the columns.
        rows: rows of values.
        title: printed above the table.
        more: printed below it: what was left out before.
        csv: whether the command saves tables with ``-o FILE.csv``.
    """
    listed = [list(row) for row in rows]
    numbers = [all(_is_number(row[index]) for row in listed) for index in range(len(columns))]
    cells = [[text_of(value) for value in row] for row in listed]
    widths = _widths(columns, cells, numbers, _room())
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for name, number, width in zip(columns, numbers, widths, strict=False):
        table.add_column(name, justify="right" if number else "left", width=width, overflow="ellipsis")
    for row in cells:
        table.add_row(*map(escape, row[: len(widths)]))
    hidden = columns[len(widths) :]
    left_out = f"{count_noun(len(hidden), 'more column')}: {' · '.join(hidden)}" if hidden else ""
    console = Console(width=max(_room(), sum(widths) + _GAP * len(widths)), soft_wrap=True)
    if title:
        console.print(f"[bold]{escape(title)}[/bold]", highlight=False)
    if columns and (cells or not title):
        console.print(table)
    if notes := "; ".join(filter(None, (more, left_out))):
        whole = "--json and -o FILE.csv" if csv else "--json"
        console.print(escape(f"… {notes}; all are in {whole}"), highlight=False)


def print_frame(frame: "pd.DataFrame", *, title: str, rows: int | None = MAX_ROWS, csv: bool = True) -> None:
    """Print a data frame as a table, with its numbers rounded; ``rows`` is the largest number of rows, None for all."""
    shown = frame if rows is None or len(frame) <= rows else frame.head(rows)
    columns = [_rounded(column.tolist(), frame.attrs.get("decimals")) for _, column in shown.items()]
    more = count_noun(len(frame) - len(shown), "more row") if len(shown) < len(frame) else ""
    print_table([str(name) for name in frame], zip(*columns, strict=True), title=title, more=more, csv=csv)


def save_csv(tables: "Mapping[str, pd.DataFrame]", path: Path) -> dict[Path, str]:
    """Save whole tables as CSV files, and return their titles by path.

    The first is saved as ``path``, the next as ``NAME-2.csv`` and so on.

    Raises:
        UnitscopeError: if a file can't be written.
    """
    saved: dict[Path, str] = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for number, (title, table) in enumerate(tables.items(), 1):
            file = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
            with atomic_path(file) as temporary:
                table.to_csv(temporary, index=False)
            saved[file] = title
    except OSError as error:
        raise UnitscopeError(f"can't write the tables '{path}': {error.strerror or error}") from error
    return saved


def text_of(value: Any) -> str:
    """Return the text of a cell; a dash for a missing number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value + 0:.4g}" if isinstance(value, float) else str(value)


def _room() -> int:
    """Return the columns of text of the terminal, or those that COLUMNS says."""
    return shutil.get_terminal_size((WIDTH, 0)).columns


def _widths(columns: Sequence[str], cells: list[list[str]], numbers: list[bool], room: int) -> list[int]:
    """Return the widths of the first columns, as many as fit into ``room`` characters.

    A column of numbers can be as narrow as its numbers and the words of its name; text can be cut.
    """
    least, full = [], []
    for index, name in enumerate(columns):
        inside = max((cell_len(row[index]) for row in cells), default=0)
        word = max(map(cell_len, name.split()), default=0)
        full.append(max(inside, cell_len(name)))
        least.append(max(word, inside if numbers[index] else min(inside, _NARROWEST)))
    count = max(1, sum(1 for _ in _fitting(least, room)))
    spare = room - sum(least[:count]) - _GAP * (count - 1)
    widths = []
    for narrow, wide in islice(zip(least, full, strict=True), count):
        width = max(1, narrow, min(wide, narrow + spare))
        spare -= width - narrow
        widths.append(width)
    return widths


def _fitting(least: list[int], room: int) -> Iterable[int]:
    """Yield the widths of the first columns that fit side by side."""
    used = -_GAP
    for width in least:
        used += width + _GAP
        if used > room:
            return
        yield width


def _rounded(values: list[Any], decimals: int | None) -> list[Any]:
    """Return a column with its floats rounded equally: to ``decimals``, or to digits that suit the column's range."""
    floats = [value for value in values if isinstance(value, float) and math.isfinite(value)]
    if not floats:
        return values
    form = f".{decimals}f" if decimals is not None else _format_of(floats)
    return [
        Rounded(_without_minus_zero(format(value, form)))
        if isinstance(value, float) and not math.isnan(value)
        else value
        for value in values
    ]


def _without_minus_zero(text: str) -> str:
    return text.lstrip("-") if not text.strip("-0.") else text


def _format_of(floats: list[float]) -> str:
    """Return the format of a column: short numbers unchanged, fixed decimals for one range, otherwise 3 digits."""
    if all(float(f"{value:.3g}") == value for value in floats):
        return "g"
    sizes = [abs(value) for value in floats if value]
    if min(sizes) < 0.001 or max(sizes) >= 1000:
        return ".3g"
    return ".3f" if max(sizes) < 10 else ".2f" if max(sizes) < 100 else ".1f"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Rounded | None) and not isinstance(value, bool)
