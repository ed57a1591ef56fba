"""A bound on the memory that uploads take together, with the bytes of their bodies and of their decoded pixels.

In: how many bytes something takes. Out: a context in which they are reserved. Safe to use from several threads.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from unitscope.errors import BusyError

MAX_BYTES = 2**30
"""What uploads may take together: one of the most pixels, and the bodies of some twenty others."""


class MemoryBudget:
    """A number of bytes that several users share.

    Attributes:
        total: all bytes.
        used: those that are reserved now.
    """

    def __init__(self, total: int = MAX_BYTES) -> None:
        self.total, self.used = total, 0
        self._lock = threading.Lock()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Reserve bytes within the context.

        Raises:
            BusyError: if fewer are left.
        """
        with self._lock:
            if self.used + size > self.total:
                raise BusyError("other uploads take the memory of the server; try again in a few seconds")
            self.used += size
        try:
            yield
        finally:
            with self._lock:
                self.used -= size
