"""List the files of a folder, and read text files with clear errors.

In: a folder or a label file. Out: sorted ids, paths with ``/`` relative to the folder; text. Also defines `Labels`, the
type of a layout's result. Independent of image formats and layouts.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from unitscope.errors import ImageError

Labels = dict[str, tuple[str, ...]]  # labels by image id, in the order of the ids

_IGNORED = "__MACOSX"


def list_files(root: Path) -> list[str]:
    """Return the sorted ids of all files in a folder and its subfolders, without hidden ones and ``__MACOSX``.

    Links to folders are followed, unless they lead back to one of their parent folders.

    Raises:
        ImageError: if a folder can't be read, or a name is not valid Unicode.
    """
    return sorted(_walk(str(root), "", ()))


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


def _walk(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    status = os.stat(folder)  # noqa: PTH116 - strings and scandir are fast enough for a million files
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for entry in _entries(folder):
        name = prefix + entry.name
        if _is_folder(entry):
            yield from _walk(entry.path, name + "/", (*above, here))
        elif _is_listed(entry):
            yield _checked(name, folder)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name[0] != "." and entry.name != _IGNORED]
    except OSError as error:
        raise ImageError(f"folder '{folder}' can't be read: {error.strerror}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # os.path.isdir returns False for a circular link, where entry.is_dir() would raise.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def _is_listed(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a file or a broken link, which becomes a row with an error."""
    if entry.is_symlink():
        return os.path.isfile(entry.path) or not os.path.exists(entry.path)  # noqa: PTH110, PTH113
    return entry.is_file()


def _checked(name: str, folder: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ImageError(f"a file name in '{folder}' is not valid Unicode: {name!r}; rename it") from error
    return name
