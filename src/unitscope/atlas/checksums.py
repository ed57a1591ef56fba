"""CRC-32C checksums of an atlas's files.

In: bytes, or the files of a folder. Out: `StoredFile` values, and a `DamagedAtlasError` that names a damaged file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import google_crc32c

from unitscope.atlas.storage import StoragePath, sizes_in
from unitscope.errors import DamagedAtlasError, first_line

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
    """
    sizes = sizes_in(folder) if files else {}
    for name, expected in files.items():
        size = sizes.get(name)
        if size != expected.bytes:
            what = "is missing" if size is None else f"has {size:,} bytes, not {expected.bytes:,}"
            raise damaged(folder, f"{name} {what}")


def check_content(folder: StoragePath, files: Mapping[str, StoredFile]) -> None:
    """Check that the files have the right checksums.

    Raises:
        DamagedAtlasError: if one has another checksum, or can't be read.
    """
    for name, expected in files.items():
        if not expected.crc32c:
            continue
        try:
            found = _crc32c_of(folder / name)
        except OSError as problem:
            raise damaged(folder, f"{name} can't be read ({first_line(problem)})") from problem
        if found != expected.crc32c:
            raise damaged(folder, f"{name} has the checksum {found}, not {expected.crc32c}")


def damaged(folder: StoragePath, what: str) -> DamagedAtlasError:
    """Return the error for a damaged atlas, which says how to get it back."""
    return DamagedAtlasError(f"atlas '{folder}' is damaged: {what}; copy it again, or scan again into a new folder")


def _crc32c_of(path: StoragePath) -> str:
    value = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            value = google_crc32c.extend(value, piece)
    return f"{value:08x}"
