"""How values show themselves in notebooks and consoles: one short line of text, and small HTML tables.

In: any frozen value, rows of plain values, data frames. Out: text, and HTML in which all text from outside is escaped.
Nothing here is longer than a screen: arrays and lists become their size, tables their first rows.
"""

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from math import isnan
from typing import TYPE_CHECKING, Any

from unitscope.text import count_noun

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS, MAX_COLUMNS, MAX_TABLES = 12, 12, 4
_MAX_LINES, _WIDTH, _MAX_TEXT, _MAX_ITEMS = 4, 110, 60, 4
_FAILURES = 5


def short_repr(value: Any) -> str:
    """Return a dataclass as ``Name(field=value, …)`` of at most four lines, with sizes for arrays, tables and lists."""
    named = ", ".join(f"{field.name}={_short(getattr(value, field.name))}" for field in fields(value) if field.repr)
    return shorten(f"{type(value).__name__}({named})")


def shorten(text: str) -> str:
    """Return text in at most four lines."""
    lines = textwrap.wrap(text, _WIDTH, subsequent_indent="    ", max_lines=_MAX_LINES, placeholder=" …")
    return "\n".join(lines)


def _short(value: Any) -> str:
    """Return a value in a few words."""
    if isinstance(value, str):
        return repr(value if len(value) <= _MAX_TEXT else value[: _MAX_TEXT - 1] + "…")
    if value is None or isinstance(value, bool | int | float | range):
        return f"{value:.4g}" if isinstance(value, float) else repr(value)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    if hasattr(value, "columns") and hasattr(value, "index"):
        return f"<table of {count_noun(len(value), 'row')}>"
    if hasattr(value, "display_name"):  # a layer
        return f"<layer {value.display_name}>"
    if isinstance(value, Mapping | tuple | list | set | frozenset):
        return _short_list(value)
    if is_dataclass(value) and len(text := repr(value)) <= _MAX_TEXT:
        return text
    return f"<{getattr(value, '__name__', type(value).__name__)}>"


def _short_list(values: Collection[Any]) -> str:
    """Return a few plain values, or the number and the type of others."""
    plain = all(isinstance(one, str | int | float | None) and len(str(one)) <= _MAX_TEXT for one in values)
    if plain and len(values) <= _MAX_ITEMS and not isinstance(values, Mapping):
        inside = ", ".join(map(_short, values))
        return f"[{inside}]" if isinstance(values, list) else f"({inside}{',' * (len(values) == 1)})"
    kinds = {type(one).__name__ for one in (values.values() if isinstance(values, Mapping) else values)}
    return f"<{len(values):,} {kinds.pop() if len(kinds) == 1 else 'values'}>"


def facts_html(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Return facts as a table of two columns below a title."""
    left = 'style="text-align:left"'
    rows = "".join(
        f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(str(value))}</td></tr>" for name, value in facts
    )
    return f'<div><b>{escape(title)}</b></div><table class="dataframe"><tbody>{rows}</tbody></table>'


def rows_html(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "", rest: str = "") -> str:
    """Return the first rows and columns of a table below its title, and what was left out.

    Args:
        columns: names of the columns.
        rows: all rows.
        title: shown above the table.
        rest: code that returns the whole table, shown if something was left out.
    """
    shown = rows[:MAX_ROWS]
    return _table_html(columns, shown, title) + _left_out((len(shown), len(rows)), len(columns), rest)


def _table_html(columns: Sequence[Any], rows: Sequence[Sequence[Any]], title: str) -> str:
    """Return rows as a table below its title, with the first columns."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in columns[:MAX_COLUMNS])
    body = "".join(f"<tr>{''.join(map(_cell, row[:MAX_COLUMNS]))}</tr>" for row in rows)
    above = f"<div><b>{escape(title)}</b></div>" if title else ""
    return f'{above}<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def tables_html(tables: "Mapping[str, pd.DataFrame]") -> str:
    """Return the first tables of a result, each cut to its first rows."""
    shown = list(tables.items())[:MAX_TABLES]
    rows = MAX_ROWS if len(shown) <= 2 else MAX_ROWS // 2
    parts = [frame_html(table, title=title, rest=f".tables()[{title!r}]", rows=rows) for title, table in shown]
    if (more := len(tables) - len(shown)) > 0:
        parts.append(f"<div>and {count_noun(more, 'more table')}: <code>.tables()</code></div>")
    return "".join(parts)


def frame_html(table: "pd.DataFrame", *, title: str = "", rest: str = "", rows: int = MAX_ROWS) -> str:
    """Return the first rows and columns of a data frame, without its index, and what was left out; see `rows_html`."""
    shown = table.iloc[:rows, :MAX_COLUMNS].astype(object).to_numpy().tolist()
    return _table_html(list(table), shown, title) + _left_out((len(shown), len(table)), len(table.columns), rest)


def failure_notes(failures: Mapping[str, str]) -> list[str]:
    """Return the first reasons why images could not be read, one per line, and the number of the others."""
    notes = [f"could not read: {reason}" for reason in list(failures.values())[:_FAILURES]]
    more = len(failures) - _FAILURES
    return notes + [f"and {more:,} more: see .failures"] * (more > 0)


def notes_html(notes: Iterable[str]) -> str:
    """Return notes, one per line."""
    return "".join(f"<div>{escape(note)}</div>" for note in notes)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and isnan(value)):
        return '<td style="text-align:right">–</td>'
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
    return f'<td style="text-align:{"right" if number else "left"}">{escape(text)}</td>'


def _left_out(rows: tuple[int, int], columns: int, rest: str) -> str:
    """Return what was left out of a table with so many rows shown and in all, and so many columns."""
    parts = []
    if rows[0] < rows[1]:
        parts.append(f"{rows[0]} of {count_noun(rows[1], 'row')}")
    if columns > MAX_COLUMNS:
        parts.append(f"{MAX_COLUMNS} of {count_noun(columns, 'column')}")
    where = f"; all: <code>{escape(rest)}</code>" if rest else ""
    return f"<div>{' and '.join(parts)}{where}</div>" if parts else ""
