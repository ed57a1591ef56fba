"""Replace files: a reader sees the old file or the new one, never half of it; and a folder for temporary files.

In: a path. Out: a temporary path beside it, whose file takes its place.
"""

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def private_folder() -> Path:
    """Return a folder among the temporary files that this user alone can change, the same each time if possible.

    Raises:
        OSError: if there is no place for temporary files.
    """
    folder = Path(tempfile.gettempdir(), f"unitscope-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    status = folder.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return folder if ours else Path(tempfile.mkdtemp(prefix="unitscope-"))
