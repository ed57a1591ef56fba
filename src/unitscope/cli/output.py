"""Output of commands: tables or one JSON object on stdout, everything else on stderr.

In: results, tables, messages. Out: text and figures. Only this package prints.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unitscope.cli.tables import MAX_ROWS, print_frame, save_csv
from unitscope.errors import UnitscopeError
from unitscope.text import json_safe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from unitscope.images import ImageSource
    from unitscope.results import Result

_SKIPPED_SHOWN = 5
CSV = ".csv"


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
            UnitscopeError: if there is a width or a title, but no figure.
        """
        given = [name for name, value in (("--width", width), ("--title", title)) if value is not None]
        if given and (path is None or path.suffix.lower() == CSV):
            raise UnitscopeError(f"no figure is drawn that {' and '.join(given)} could change; add -o FIGURE")
        return None if path is None else cls(path, width, title)


def emit(
    result: "Result",
    *,
    as_json: bool,
    output: FigureFile | None = None,
    sheet: Callable[[], Any] | None = None,
    draw: "Callable[..., Figure] | None" = None,
    rows: int | None = MAX_ROWS,
    csv: bool = True,
) -> None:
    """Print a result as JSON or as tables, and draw its figure, or save its whole tables.

    Args:
        result: the result of the command.
        as_json: print one JSON object instead of tables.
        output: the figure, or a file of tables if its path ends in .csv; None for none.
        sheet: returns the data of the figure, if the figure needs more than the result (images and maps).
        draw: draws the figure, with the keywords ``width`` and ``title``; None for `figures.draw`.
        rows: the largest number of rows printed of a table; None for all.
        csv: whether the command saves tables with ``-o FILE.csv``.
    """
    if output is None or output.path.suffix.lower() == CSV:
        _print(result, as_json, rows, csv)
        for path, title in ({} if output is None else save_csv(result.tables(), output.path)).items():
            log(f"saved table: {path}: {title}")
        return
    figure = _draw(output, sheet() if sheet is not None else result, draw)
    _print(result, as_json, rows, csv)  # before the figure is saved, so that it is not lost on a full disk
    _save(figure, output.path)


def _print(result: "Result", as_json: bool, rows: int | None, csv: bool) -> None:
    if as_json:
        print_json(result.to_dict())
        return
    for title, table in result.summary().items():
        print_frame(table, title=title, rows=rows, csv=csv)


def draw_to(output: FigureFile, result: Any) -> None:
    """Draw a result or sheet, and save the figure."""
    _save(_draw(output, result), output.path)


def _draw(output: FigureFile, result: Any, draw: "Callable[..., Figure] | None" = None) -> "Figure":
    from unitscope import figures

    return (draw or figures.draw)(result, width=output.width, title=output.title)


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


def duration(seconds: float) -> str:
    """Return a duration as text with a unit."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
