"""Silence for Pillow's warnings, in this thread and while it decodes only.

In: nothing. Out: a context in which no warning is shown or raised.
`warnings.catch_warnings` swaps the filters of the whole process and so can't be used from several
threads; here one filter stays, and its pattern matches only where the thread asked for silence.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


class _Pattern(threading.local):
    """Stands where a filter has its regular expression, of which only `match` is used."""

    quiet: bool = False

    def match(self, _text: str) -> bool:
        return self.quiet


_PATTERN = _Pattern()
_FILTER = ("ignore", None, Warning, _PATTERN, 0)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Return a context in which this thread's warnings are dropped."""
    _put_filter_first()
    _PATTERN.quiet = True
    try:
        yield
    finally:
        _PATTERN.quiet = False


def _put_filter_first() -> None:
    filters = cast("list[Any]", warnings.filters)
    if not filters or filters[0] is not _FILTER:
        filters[:] = [_FILTER, *(other for other in filters if other is not _FILTER)]
