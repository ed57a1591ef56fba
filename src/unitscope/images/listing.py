"""List the files of a folder, and read text files with clear errors.

In: a folder or a label file. Out: sorted ids, paths with ``/`` relative to the folder; text. Also defines `Labels`, the
type of a layout's result. Independent of image formats and layouts.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unitscope.errors import ImageError

Labels = dict[str, tuple[str, ...]]  # labels by image id, in the order of the ids

_IGNORED = "__MACOSX"
_ATLAS, _PARTS = ("manifest.json", "arrays.zarr"), ("plan.json", "lock")


@dataclass(frozen=True, slots=True)
class Listing:
    """The sorted ids of the files in a folder, and what could not be listed, with the reason."""

    ids: tuple[str, ...]
    skipped: tuple[str, ...]


def list_files(root: Path) -> Listing:
    """Return all files in a folder and its subfolders, without hidden ones, ``__MACOSX``, atlases and their parts.

    Links to folders are followed, unless they lead back to one of their parent folders. Subfolders that can't be read,
    links to nothing, and names that are not valid Unicode, are skipped.

    Raises:
        ImageError: if the folder itself can't be read.
    """
    skipped: list[str] = []
    try:
        ids = sorted(_walk(str(root), "", (), skipped))
    except OSError as error:
        raise ImageError(f"folder '{root}' can't be read: {error.strerror}") from error
    return Listing(tuple(ids), tuple(skipped))


def folders_in(root: Path) -> set[str]:
    """Return the names of the subfolders whose files `list_files` would list, also of empty ones."""
    try:
        entries = _entries(str(root))
    except OSError:
        return set()
    return {entry.name for entry in entries if _is_folder(entry) and not _is_atlas(entry.path)}


def read_text(path: Path) -> str:
    """Return the text of a label file.

    Raises:
        ImageError: if it can't be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImageError(f"label file '{path}' is not UTF-8 text; convert or remove it") from error
    except OSError as error:
        raise ImageError(f"label file '{path}' can't be read: {error.strerror}") from error


def names_in(folder: Path) -> list[str]:
    """Return the names of a folder's entries; none if it can't be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...], skipped: list[str]) -> Iterator[str]:
    status = os.stat(folder)  # noqa: PTH116 - strings and scandir are fast enough for a million files
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    os.stat(os.path.join(folder, "."))  # noqa: PTH116, PTH118 - without the right to enter, no file could be opened
    for entry in _entries(folder):
        name = prefix + entry.name
        if not _is_unicode(name):
            skipped.append(f"{name!r} is not valid Unicode; rename it")
        elif not _is_folder(entry):
            if _is_file(entry):
                yield name
            elif entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110
                skipped.append(f"'{entry.path}' is a link to '{os.readlink(entry.path)}', where no file is")  # noqa: PTH115
        elif not _is_atlas(entry.path):
            try:
                yield from _walk(entry.path, name + "/", (*above, here), skipped)
            except OSError as error:
                skipped.append(f"folder '{entry.path}' can't be read: {error.strerror}")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.name[0] != "." and entry.name != _IGNORED]


def _is_atlas(folder: str) -> bool:
    """Return whether a folder is an atlas, or the parts of one, whose files are not images."""
    names = _PARTS if folder.endswith(".parts") else _ATLAS
    return all(os.path.exists(os.path.join(folder, name)) for name in names)  # noqa: PTH110, PTH118 - fast


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # os.path.isdir returns False for a circular link, where entry.is_dir() would raise.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def _is_file(entry: os.DirEntry[str]) -> bool:
    return os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()  # noqa: PTH113


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
