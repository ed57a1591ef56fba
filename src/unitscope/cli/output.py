"""Output of commands: tables or one JSON object on stdout, everything else on stderr.

In: results, tables, messages. Out: text and figures. Only this package prints.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unitscope.errors import UnitscopeError
from unitscope.text import json_safe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from unitscope.images import ImageSource
    from unitscope.results import Result

_SKIPPED_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure that a command draws: its path, its width and its title; None for the figure's own."""

    path: Path
    width: str | None = None
    title: str | None = None

    @classmethod
    def of(cls, path: Path | None, width: str | None, title: str | None) -> "FigureFile | None":
        """Return the figure of a command's options; None without a path.

        Raises:
            UnitscopeError: if there is a width or a title, but no path.
        """
        if path is not None:
            return cls(path, width, title)
        if given := [name for name, value in (("--width", width), ("--title", title)) if value is not None]:
            raise UnitscopeError(f"no figure is drawn that {' and '.join(given)} could change; add -o FIGURE")
        return None


def emit(
    result: "Result", *, as_json: bool, output: FigureFile | None = None, sheet: Callable[[], Any] | None = None
) -> None:
    """Print a result as JSON or as tables, and draw its figure.

    Args:
        result: the result of the command.
        as_json: print one JSON object instead of tables.
        output: the figure to draw; None for none.
        sheet: returns the data of the figure, if the figure needs more than the result (images and maps).
    """
    if output is None:
        _print(result, as_json)
        return
    figure = _draw(output, sheet() if sheet is not None else result)
    _print(result, as_json)  # before the figure is saved, so that it is not lost on a full disk
    _save(figure, output.path)


def _print(result: "Result", as_json: bool) -> None:
    if as_json:
        print_json(result.to_dict())
        return
    for title, table in result.tables().items():
        columns = [_rounded(column.tolist(), table.attrs.get("decimals")) for _, column in table.items()]
        print_table([str(name) for name in table], zip(*columns, strict=True), title=title)


def draw_to(output: FigureFile, result: Any) -> None:
    """Draw a result or sheet, and save the figure."""
    _save(_draw(output, result), output.path)


def _draw(output: FigureFile, result: Any) -> "Figure":
    from unitscope import figures

    return figures.draw(result, width=output.width, title=output.title)


def _save(figure: "Figure", output: Path) -> None:
    from unitscope import figures

    figures.save(figure, output)
    log(f"saved figure: {output}")


def print_error(message: str) -> None:
    """Print an error on stderr."""
    sys.stderr.write(f"error: {message}\n")


def log(message: str = "") -> None:
    """Print a message on stderr."""
    sys.stderr.write(f"{message}\n")


def log_skipped(images: "ImageSource") -> None:
    """Print on stderr what could not be listed among images, the first five."""
    for what in images.skipped[:_SKIPPED_SHOWN]:
        log(f"note: skipped: {what}")
    if (more := len(images.skipped) - _SKIPPED_SHOWN) > 0:
        log(f"note: skipped {more} more")


def print_json(values: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    unicode = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(json_safe(values), ensure_ascii=not unicode, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print a table on stdout; columns of numbers are aligned right."""
    listed = [list(row) for row in rows]
    table = Table(title=escape(title) or None, box=None, pad_edge=False, title_justify="left", title_style="bold")
    for position, name in enumerate(columns):
        number = all(_is_number(row[position]) for row in listed)
        table.add_column(name, justify="right" if number else "left", no_wrap=True, overflow="fold")
    for row in listed:
        table.add_row(*(escape(_text(value)) for value in row))
    width = None if sys.stdout.isatty() else 10_000  # don't wrap lines in a file
    Console(width=width, soft_wrap=True).print(table)


def duration(seconds: float) -> str:
    """Return a duration as text with a unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True, slots=True)
class _Rounded:
    """A number, formatted for display."""

    text: str

    def __str__(self) -> str:
        return self.text


def _rounded(values: list[Any], decimals: int | None) -> list[Any]:
    """Return a column with its floats rounded equally: to ``decimals``, or to digits that suit the column's range."""
    floats = [value for value in values if isinstance(value, float) and math.isfinite(value)]
    if not floats:
        return values
    form = f".{decimals}f" if decimals is not None else _format_of(floats)
    return [
        _Rounded(format(value, form)) if isinstance(value, float) and not math.isnan(value) else value
        for value in values
    ]


def _format_of(floats: list[float]) -> str:
    """Return the format of a column: short numbers unchanged, fixed decimals for one range, otherwise 3 digits."""
    if all(float(f"{value:.3g}") == value for value in floats):
        return "g"
    sizes = [abs(value) for value in floats if value]
    if min(sizes) < 0.001 or max(sizes) >= 1000:
        return ".3g"
    return ".3f" if max(sizes) < 10 else ".2f" if max(sizes) < 100 else ".1f"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | _Rounded | None) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """Return the text of a cell; a dash for a missing number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
