"""Silence for what exports and converts networks: it logs and warns of much that users can't act on.

In: nothing. Out: a context in which this thread's log records and warnings are dropped. Other threads keep theirs.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from unitscope.images.pillow_warnings import without_warnings


class _OtherThreads(logging.Filter):
    """Lets records of other threads pass."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return threading.get_ident() != self.thread


@contextmanager
def silenced() -> Iterator[None]:
    """Return a context in which this thread logs and warns of nothing."""
    only_others, handlers = _OtherThreads(), _handlers()
    for handler in handlers:
        handler.addFilter(only_others)
    try:
        with without_warnings():
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(only_others)


def _handlers() -> list[logging.Handler]:
    """All handlers that a record may reach."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    found = [handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers]
    return [*found, *([logging.lastResort] if logging.lastResort else [])]
