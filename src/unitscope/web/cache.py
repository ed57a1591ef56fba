"""A disk cache of generated images, with a size limit and least-recently-used eviction.

In: a name and what makes the bytes. Out: the bytes. Several threads may ask at once; a file is whole or not there.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

MOST_BYTES = 2**30
"""How much one atlas's pictures may take on disk."""


class Cache:
    """A folder of small files, each named by the hash of what it holds."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        facts = sorted((file.stat().st_mtime, file.name, file.stat().st_size) for file in folder.iterdir())
        self.folder, self.most_bytes = folder, most_bytes
        self.files = {name: size for _, name, size in facts}
        self.bytes = sum(self.files.values())
        self.lock = threading.Lock()

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return what was kept under a name, made now if nothing was."""
        kept = self.kept(name)
        return self.keep(name, make()) if kept is None else kept

    def kept(self, name: str) -> bytes | None:
        """Return what is kept under a name, or None."""
        path = self.path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        with self.lock:
            if path.name in self.files:  # it may have gone since it was read
                self.files[path.name] = self.files.pop(path.name)
        return data

    def keep(self, name: str, data: bytes) -> bytes:
        """Keep bytes under a name, and return them."""
        path = self.path(name)
        fresh = _written(self.folder, data)
        with self.lock:  # or another thread might remove it before it is noted
            fresh.replace(path)
            self._note(path, len(data))
        return data

    def path(self, name: str) -> Path:
        """Return the file in which something is kept, or would be."""
        return self.folder / hashlib.sha256(name.encode()).hexdigest()

    def _note(self, path: Path, size: int) -> None:
        """Dictionaries keep their order, so the first file of them was used least recently."""
        self.bytes += size - self.files.pop(path.name, 0)
        self.files[path.name] = size
        while self.bytes > self.most_bytes and len(self.files) > 1:
            oldest = next(iter(self.files))
            self.bytes -= self.files.pop(oldest)
            (self.folder / oldest).unlink(missing_ok=True)


def _written(folder: Path, data: bytes) -> Path:
    """A new file, so that one is whole or not there; a lost picture is made again, so nothing waits for the disk."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="new-", delete=False) as file:
        file.write(data)
    return Path(file.name)


def cache_folder(key: str) -> Path:
    """Return where the pictures of an atlas are kept, as XDG's base directory specification has it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unitscope" / "explorer" / hashlib.sha256(key.encode()).hexdigest()[:16]
