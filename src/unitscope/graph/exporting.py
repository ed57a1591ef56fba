"""Keep exports apart from other work on networks: PyTorch's export patches modules and graphs for the whole process.

In: nothing. Out: two contexts. Graphs are built and run side by side; an export waits for them, and they wait for it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_changed = threading.Condition()
_running: list[int] = []  # the thread of each `running` context


@contextmanager
def running() -> Iterator[None]:
    """Build or run a graph: no other thread exports meanwhile."""
    thread = threading.get_ident()
    with _changed:
        _running.append(thread)
    try:
        yield
    finally:
        with _changed:
            _running.remove(thread)
            _changed.notify_all()


@contextmanager
def exporting() -> Iterator[None]:
    """Export a network: no other thread exports, builds or runs one meanwhile.

    A thread that waits here runs nothing, even within `running`, so that two of them don't wait for each other.
    """
    thread = threading.get_ident()
    with _changed:
        own = [other for other in _running if other == thread]
        _running[:] = [other for other in _running if other != thread]
        _changed.notify_all()
        _changed.wait_for(lambda: not _running)
        try:
            yield
        finally:
            _running.extend(own)
