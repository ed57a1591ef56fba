"""Replace files: a reader sees the old file or the new one, never half of it.

In: a path. Out: a temporary path beside it, whose file takes its place.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and move its file to ``path``; after an error, delete it instead."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
