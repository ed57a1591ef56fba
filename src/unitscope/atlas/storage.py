"""Where atlases lie: folders of this machine, or of a store that fsspec knows (``s3://…``, ``gs://…``, ``memory://…``).

In: what the user wrote. Out: a path with pathlib's methods, and the few things that a store does otherwise: it has no
renames and no locks, but each file appears whole.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unitscope.errors import AtlasError, first_line

if TYPE_CHECKING:
    from upath import UPath

    StoragePath = Path | UPath
else:
    StoragePath = Path


def storage_path(path: "str | StoragePath") -> "StoragePath":
    """Return the path that is meant, a `pathlib.Path` or a ``UPath``.

    Raises:
        AtlasError: if it is an address that can't be opened, names no place, or needs what is not installed.
    """
    if not isinstance(path, str):
        return path
    local = path.removeprefix("file://")
    if "://" not in local:
        return Path(local)
    if find_spec("upath") is None:
        raise AtlasError(f"'{path}' is an address; install what reads those with pip install 'unitscope[cloud]'")
    from upath import UPath

    try:
        found = UPath(path)
        found.exists()
    except Exception as problem:  # a package that is missing, no credentials, nobody there: each store has its own
        raise AtlasError(f"can't open '{path}': {first_line(problem)}") from problem
    if not found.path.strip("/"):
        raise AtlasError(f"'{path}' names no place in the store; say which, as in '{path}bucket/my.atlas'")
    return found


def write_atomic(path: "StoragePath", data: bytes | memoryview) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    if not isinstance(path, Path):
        path.write_bytes(bytes(data))
        return
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder, or a file, last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Make all files in a folder last, before what they were made from is removed."""
    for path in [*folder.rglob("*"), folder]:
        sync_folder(path)


def remove(folder: "StoragePath") -> None:
    """Remove a folder and all that is in it, if it is there."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.fs.rm(folder.path, recursive=True)


def sizes_in(folder: "StoragePath") -> dict[str, int]:
    """Return the size in bytes of every file in a folder, by its path in it."""
    if isinstance(folder, Path):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    root = folder.path.rstrip("/") + "/"
    found = folder.fs.find(folder.path, detail=True)
    return {name.removeprefix(root): int(found[name]["size"]) for name in sorted(found)}


def zarr_store(folder: "StoragePath") -> Any:
    """Return what zarr opens a folder by."""
    if isinstance(folder, Path):
        return folder
    import zarr

    return zarr.storage.FsspecStore.from_url(str(folder), storage_options=dict(folder.storage_options))
