"""Replace files: a reader sees the old file or the new one, never half of it.

In: a path. Out: a temporary path beside it, whose file takes its place.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and move its file to ``path``; after an error, delete it instead."""
    target = path.resolve()  # a link keeps pointing at its file
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
