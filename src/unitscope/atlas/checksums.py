"""CRC-32C checksums of an atlas's files.

In: bytes, or the files of a folder. Out: `StoredFile` values, and a `DamagedAtlasError` that names a damaged file.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c

from unitscope.atlas.storage import StoragePath, sizes_in
from unitscope.errors import AtlasError, DamagedAtlasError, first_line

_PIECE = 2**24  # bytes read at once

crc32c: Callable[[Any], int] = google_crc32c.value
"""The CRC-32C of bytes or of a contiguous array."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The size of a file in bytes and its checksum, eight hexadecimal digits; empty if it is not known."""

    bytes: int
    crc32c: str = ""


def files_in(folder: StoragePath, known: Mapping[str, StoredFile]) -> dict[str, StoredFile]:
    """Return the files in a folder by relative path; those that are not ``known`` are read."""
    sizes = sizes_in(folder)
    return {name: known.get(name) or StoredFile(size, _crc32c_of(folder / name)) for name, size in sizes.items()}


def check_sizes(folder: StoragePath, files: Mapping[str, StoredFile]) -> None:
    """Check that the files exist and have the right size.

    Raises:
        DamagedAtlasError: if one is missing or has another size; zarr would read a missing chunk as zeros.
        AtlasError: if permission to read a folder is denied.
    """
    sizes = sizes_in(folder) if files else {}
    for name, expected in files.items():
        size = sizes.get(name)
        if size is None and (closed := _closed_folder(folder, name)):
            raise no_permission(closed)
        if size != expected.bytes:
            what = "is missing" if size is None else f"has {size:,} bytes, not {expected.bytes:,}"
            raise damaged(folder, f"{name} {what}")


def check_content(folder: StoragePath, files: Mapping[str, StoredFile]) -> None:
    """Check that the files have the right checksums.

    Raises:
        DamagedAtlasError: if one has another checksum, or can't be read.
        AtlasError: if permission to read one is denied.
    """
    for name, expected in files.items():
        if not expected.crc32c:
            continue
        try:
            found = _crc32c_of(folder / name)
        except OSError as problem:
            raise unreadable(folder, name, problem) from problem
        if found != expected.crc32c:
            raise damaged(folder, f"{name} has the checksum {found}, not {expected.crc32c}")


def damaged(folder: StoragePath, what: str) -> DamagedAtlasError:
    """Return the error for a damaged atlas, which says how to get it back."""
    return DamagedAtlasError(f"atlas '{folder}' is damaged: {what}; copy it again, or scan again into a new folder")


def unreadable(folder: StoragePath, name: str, problem: BaseException) -> AtlasError:
    """Return the error for a file of an atlas that can't be read; without permission to read it, it is not damaged."""
    if isinstance(problem, PermissionError):
        return no_permission(folder / name)
    return damaged(folder, f"{name}: {first_line(problem)}")


def no_permission(path: StoragePath) -> AtlasError:
    """Return the error for a file of an atlas that this user may not read."""
    return AtlasError(f"no permission to read '{path}'; ask the owner of the atlas for it")


def _closed_folder(folder: StoragePath, name: str) -> Path | None:
    """Return the folder of a file that this user may not read, if there is one."""
    if not isinstance(folder, Path):
        return None
    inside = [folder.joinpath(*Path(name).parts[:depth]) for depth in range(len(Path(name).parts))]
    return next((path for path in inside if path.is_dir() and not os.access(path, os.R_OK | os.X_OK)), None)


def _crc32c_of(path: StoragePath) -> str:
    value = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            value = google_crc32c.extend(value, piece)
    return f"{value:08x}"
