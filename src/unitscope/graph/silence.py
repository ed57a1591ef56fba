"""Suppress logs, warnings and stderr output of PyTorch's export and of converters in this thread.

In: nothing. Out: a context in which what this thread logs, warns of or writes to stderr is dropped. Other threads keep
theirs.
"""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from unitscope.images.pillow_warnings import without_warnings


class _OtherThreads(logging.Filter):
    """Lets records of other threads pass."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return threading.get_ident() != self.thread


class _Stderr:
    """Replacement for stderr that drops the output of silenced threads."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.silent = stream, list[int]()

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() in self.silent else self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


_lock = threading.Lock()


@contextmanager
def silenced() -> Iterator[None]:
    """Return a context in which this thread logs, warns of and writes nothing to stderr."""
    only_others, handlers = _OtherThreads(), _handlers()
    for handler in handlers:
        handler.addFilter(only_others)
    try:
        with without_warnings(), _without_stderr():
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(only_others)


@contextmanager
def _without_stderr() -> Iterator[None]:
    thread = threading.get_ident()
    with _lock:
        stderr = sys.stderr if isinstance(sys.stderr, _Stderr) else _Stderr(sys.stderr)
        stderr.silent.append(thread)
        sys.stderr = stderr
    try:
        yield
    finally:
        with _lock:
            stderr.silent.remove(thread)
            if not stderr.silent and sys.stderr is stderr:
                sys.stderr = stderr.stream


def _handlers() -> list[logging.Handler]:
    """Return all handlers that a record may reach."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    found = [handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers]
    return [*found, *([logging.lastResort] if logging.lastResort else [])]
