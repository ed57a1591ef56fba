"""A disk cache of generated images, with a size limit and least-recently-used eviction.

In: a name and a function that makes the bytes. Out: the bytes. Safe to use from several threads; a file is either
complete or absent.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 2**30
"""How much one atlas's pictures may take on disk."""


class Cache:
    """A folder of small files, each named by the hash of its name in the cache.

    Raises:
        OSError: if the folder can't be made or read.
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = sorted(_facts(folder))
        self.folder, self.max_bytes = folder, max_bytes
        self.files = {name: size for _, name, size in facts}
        self.bytes = sum(self.files.values())
        self.lock = threading.Lock()

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the bytes stored under a name, making and storing them first if there are none.

        A full disk does not matter: they are made again the next time.
        """
        if (cached := self.find(name)) is not None:
            return cached
        data = make()
        with suppress(OSError):
            self.put(name, data)
        return data

    def find(self, name: str) -> bytes | None:
        """Return the bytes stored under a name, or None."""
        path = self.path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        with self.lock:
            if path.name in self.files:  # another thread may have removed it since it was read
                self.files[path.name] = self.files.pop(path.name)
        return data

    def put(self, name: str, data: bytes) -> bytes:
        """Store bytes under a name, and return them."""
        path = self.path(name)
        fresh = _written(self.folder, data)
        with self.lock:  # otherwise another thread might remove it before it is recorded
            fresh.replace(path)
            self._note(path, len(data))
        return data

    def path(self, name: str) -> Path:
        """Return the file for a name, whether or not it exists."""
        return self.folder / hashlib.sha256(name.encode()).hexdigest()

    def _note(self, path: Path, size: int) -> None:
        """Record a file and remove the least recently used: dictionaries keep their order, so these come first."""
        self.bytes += size - self.files.pop(path.name, 0)
        self.files[path.name] = size
        while self.bytes > self.max_bytes and len(self.files) > 1:
            oldest = next(iter(self.files))
            self.bytes -= self.files.pop(oldest)
            (self.folder / oldest).unlink(missing_ok=True)


def _written(folder: Path, data: bytes) -> Path:
    """Write a new file, to be renamed once complete; no fsync, since a lost picture can be made again."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="new-", delete=False) as file:
        file.write(data)
    return Path(file.name)


def _facts(folder: Path) -> Iterator[tuple[float, str, int]]:
    """Yield the time, name and size of each file; another server may remove some meanwhile."""
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            status = file.stat()
            yield status.st_mtime, file.name, status.st_size


def cache_folder(key: str, base: Path | None = None) -> Path:
    """Return the folder for an atlas's pictures, following the XDG base directory specification.

    Args:
        key: another key gives another folder.
        base: the folder of all caches; None for that of the user.

    Raises:
        OSError: if it can't be made or written, as for a user without a home.
    """
    if base is None:
        given = os.environ.get("XDG_CACHE_HOME", "")
        base = Path(given if Path(given).is_absolute() else os.path.expanduser("~/.cache"))  # noqa: PTH111 - never raises
    if not base.is_absolute():
        raise FileNotFoundError("there is no home folder")
    folder = base / "unitscope" / "explorer" / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder
