"""The file of an atlas's notes: beside its folder, read anew when it changes, and changed by one writer at a time.

In: an atlas, edits. Out: `NotesFile`, and the members of saved selections.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from unitscope.atlas.notes import Notes
from unitscope.atlas.storage import StoragePath
from unitscope.errors import NotesError

SUFFIX = ".notes.json"
SELECTION = "@"
"""How a saved selection is written: ``@NAME``."""


@dataclass
class NotesFile:
    """The notes of an atlas.

    Attributes:
        path: the file; None if the atlas has no local folder.
        locked: why notes may not be changed, whatever the file system says; empty if they may.
    """

    path: Path | None = None
    locked: str = ""
    _known: tuple[object, Notes] = field(default=(None, Notes()), repr=False)

    @classmethod
    def of(cls, atlas: StoragePath, *, locked: str = "") -> "NotesFile":
        """Return the file of an atlas, which need not exist: ``ATLAS.notes.json`` beside the folder ``ATLAS``."""
        if not isinstance(atlas, Path):
            return cls()
        folder = atlas.absolute()
        return cls(folder.with_name(folder.name + SUFFIX), locked)

    @property
    def notes(self) -> Notes:
        """The notes as they are now.

        Raises:
            NotesError: if the file has no notes.
        """
        if self.path is None:
            return Notes()
        state = _state(self.path)
        if self._known[0] != state:
            self._known = state, Notes.read(self.path)
        return self._known[1]

    @property
    def reason(self) -> str:
        """Why the notes can't be changed; empty if they can."""
        if self.path is None:
            return "the atlas has no local folder"
        if self.locked:
            return self.locked
        writable = os.access(self.path.parent, os.W_OK) and (not self.path.exists() or os.access(self.path, os.W_OK))
        return "" if writable else f"'{self.path}' can't be written"

    def change(self, edit: Callable[[Notes], Notes]) -> Notes:
        """Change the notes as they are in the file, write them, and return them.

        Raises:
            NotesError: if they can't be changed.
            WriteError: if the disk is full or read-only.
        """
        if self.reason or self.path is None:
            raise NotesError(f"notes can't be changed: {self.reason}")
        with _one_writer(self.path.parent):
            old = Notes.read(self.path)
            new = edit(old)
            if new != old:
                new.write(self.path)
        return new


def selection_members(atlas: StoragePath, kind: str, name: str) -> tuple[str, ...]:
    """Return the members of a saved selection of ``units`` or ``images``, given as ``@NAME``.

    Raises:
        NotesError: if the atlas's notes have no such selection, or it is empty.
    """
    saved = NotesFile.of(atlas).notes.all(kind)
    if found := saved.get(name.removeprefix(SELECTION)):
        if found.members:
            return found.members
        raise NotesError(f"the selection '{name}' is empty")
    known = ", ".join(f"{SELECTION}{one}" for one in saved)
    raise NotesError(
        f"no selection of {kind} '{name}' beside atlas '{atlas}'; " + (f"saved: {known}" if known else "none is saved")
    )


def _state(file: Path) -> tuple[int, ...] | None:
    """Return what tells two states of a file apart; None if there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


@contextmanager
def _one_writer(folder: Path) -> Iterator[None]:
    """Wait until no other server or command writes notes in this folder; the lock is on the folder itself."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
