"""Storage of atlases: local folders, or stores that fsspec supports (``s3://…``, ``gs://…``, ``memory://…``).

In: a path or URL from the user. Out: a path with pathlib's methods, and file operations for both kinds of storage.
Remote stores have no rename and no locks, but write each file atomically.
"""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unitscope.errors import AtlasError, first_line
from unitscope.files import explain_write_errors

if TYPE_CHECKING:
    from upath import UPath

    StoragePath = Path | UPath
else:
    StoragePath = Path


def storage_path(path: "str | StoragePath") -> "StoragePath":
    """Return the `pathlib.Path` or ``UPath`` of a path or URL.

    Raises:
        AtlasError: if the URL can't be opened, has no path, or needs a package that is not installed.
    """
    if not isinstance(path, str):
        return path
    local = path.removeprefix("file://")
    if "://" not in local:
        return Path(local)
    if find_spec("upath") is None:
        raise AtlasError(f"reading the URL '{path}' needs more packages; pip install 'unitscope[cloud]'")
    from upath import UPath

    try:
        found = UPath(path)
        found.exists()
    except Exception as problem:  # a missing package, no credentials, no connection: each store raises its own
        raise AtlasError(f"can't open '{path}': {first_line(problem)}") from problem
    if not found.path.strip("/"):
        raise AtlasError(f"the URL '{path}' has no path in the store; give one, for example '{path}bucket/my.atlas'")
    return found


def write_atomic(path: "StoragePath", data: bytes | memoryview, *, then: str = "") -> None:
    """Write a file atomically: after a crash or a power cut it is complete or does not exist.

    Raises:
        WriteError: if the disk is full or read-only; the message ends with ``then``.
    """
    if not isinstance(path, Path):
        path.write_bytes(bytes(data))
        return
    temporary = path.with_name(path.name + ".tmp")
    with explain_write_errors(path, size=len(data), then=then):
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's renames, or a file's content, to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Flush all files in a folder to disk; call it before removing what they were made from."""
    for path in [*folder.rglob("*"), folder]:
        sync_folder(path)


def remove(folder: "StoragePath") -> None:
    """Remove a folder with everything in it, if it exists."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.fs.rm(folder.path, recursive=True)


def sizes_in(folder: "StoragePath") -> dict[str, int]:
    """Return the size in bytes of each file in a folder, by relative path."""
    if isinstance(folder, Path):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    root = folder.path.rstrip("/") + "/"
    found = folder.fs.find(folder.path, detail=True)
    return {name.removeprefix(root): int(found[name]["size"]) for name in sorted(found)}


def zarr_store(folder: "StoragePath") -> Any:
    """Return the zarr store of a folder."""
    if isinstance(folder, Path):
        return folder
    import zarr

    return zarr.storage.FsspecStore.from_url(str(folder), storage_options=dict(folder.storage_options))
