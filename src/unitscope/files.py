"""Write files: a reader sees the old file or the new one, never half of it, and a full disk is an error with advice.

In: a path. Out: a temporary path beside it, whose file takes its place; or a `WriteError` that names the file.
"""

import errno
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unitscope.errors import WriteError
from unitscope.text import byte_count

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_TOO_LARGE = (
    "it is larger than the file system, or the limit of this process (`ulimit -f`), allows; raise the limit, or choose "
    "another folder"
)
_READ_ONLY = "the file system is read-only; make it writable, or choose another folder"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and move its file to ``path``; after an error, delete it instead.

    Raises:
        WriteError: as in `explain_write_errors`.
    """
    target = path.resolve()  # a link keeps pointing at its file
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    with explain_write_errors(path):
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def explain_write_errors(path: object, *, size: int | None = None, then: str = "") -> Iterator[None]:
    """Turn the errors of a full or read-only disk within the context into one that says what to do.

    Args:
        path: the file, or the folder, that is written.
        size: number of bytes to write, if it is known.
        then: what happens next, as the end of the sentence.

    Raises:
        WriteError: if there is no space, the file is too large, or the file system is read-only.
    """
    try:
        yield
    except OSError as error:
        if why := reason_not_written(error, path, size=size):
            raise WriteError(f"can't write '{path}': {why}{then}") from error
        raise


def reason_not_written(error: OSError, path: object, *, size: int | None = None) -> str:
    """Return why a file could not be written and what to do; empty for other errors than those of a full disk."""
    if error.errno == errno.EFBIG:
        return _TOO_LARGE
    if error.errno == errno.EROFS:
        return _READ_ONLY
    if error.errno not in _FULL:
        return ""
    needed = "" if size is None else f"; this file needs {byte_count(size)}"
    return f"{_FULL[error.errno]}{needed}{_free(path)}. Free some space"


def _free(path: object) -> str:
    """Return the free space where a file is to be written, as text; empty if it is unknown."""
    if not isinstance(path, Path):
        return ""
    try:
        folder = next(folder for folder in path.absolute().parents if folder.exists())
        return f", and {byte_count(shutil.disk_usage(folder).free)} are free in '{folder}'"
    except (OSError, StopIteration):
        return ""


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
