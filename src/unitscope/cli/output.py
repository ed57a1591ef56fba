"""How commands speak: tables or one JSON object on stdout, everything else on stderr.

In: plain values. Out: text. The only room of the house that prints.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unitscope.text import json_safe


def print_error(message: str) -> None:
    """Say on stderr what went wrong."""
    sys.stderr.write(f"error: {message}\n")


def log(message: str = "") -> None:
    """Say something to people, on stderr."""
    sys.stderr.write(f"{message}\n")


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object, and nothing else, on stdout."""
    sys.stdout.write(json.dumps(json_safe(values), ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print a table on stdout; numbers stand to the right."""
    listed = [list(row) for row in rows]
    table = Table(title=escape(title) or None, box=None, pad_edge=False, title_justify="left", title_style="bold")
    for position, name in enumerate(columns):
        number = all(isinstance(row[position], (int, float)) for row in listed)
        table.add_column(name, justify="right" if number else "left", no_wrap=True, overflow="fold")
    for row in listed:
        table.add_row(*(escape(_text(value)) for value in row))
    width = None if sys.stdout.isatty() else 10_000  # a file has no edge to wrap at
    Console(width=width, soft_wrap=True).print(table)


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Return a time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
