"""Ignore Pillow's warnings in the current thread while it decodes.

In: nothing. Out: a context in which warnings of this thread are ignored. `warnings.catch_warnings` replaces the filters
of the whole process, so it can't be used while several threads decode, and a permanent filter would silence the
caller's own use of Pillow. Here one filter stays installed, and its pattern matches only inside the context.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


class _ThreadPattern(threading.local):
    """A pattern for a warning filter that matches in threads where ``active`` is set; filters call only `match`."""

    active: bool = False

    def match(self, _module: str) -> bool:
        return self.active


_PATTERN = _ThreadPattern()
_FILTER = ("ignore", None, Warning, _PATTERN, 0)  # action, message, category, module, line number


@contextmanager
def without_warnings() -> Iterator[None]:
    """Return a context in which this thread's warnings are ignored."""
    _move_filter_first()
    before, _PATTERN.active = _PATTERN.active, True
    try:
        yield
    finally:
        _PATTERN.active = before


def _move_filter_first() -> None:
    """Install the filter, or move it before filters that were added since, such as ``error``."""
    filters = cast("list[Any]", warnings.filters)
    if not filters or filters[0] is not _FILTER:
        filters[:] = [_FILTER, *(other for other in filters if other is not _FILTER)]
