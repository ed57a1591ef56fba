"""What a scan leaves while it runs: one part file a shard, whole or not there.

In: each shard's responses and what is known of its images. Out: `Part` files in ``ATLAS.parts/``, beside the plan that
they were made by. A killed scan leaves whole parts; the next one makes those that are missing.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.errors import AtlasError
from unitscope.summaries import Summary


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One shard's results; image ids run from ``first`` on.

    Attributes:
        first: id of its first image, int64 ``[]``.
        responses: float32 ``[image, unit]``; a row of NaN for an image that could not be read.
        top_classes: the five most probable classes, int32 ``[image, 5]``; -1 where there are none.
        top_probabilities: theirs, float32 ``[image, 5]``; NaN where there are none.
        sizes: width and height in pixels, int32 ``[image, 2]``; 0 for an image that could not be read.
        errors: why an image could not be read, text ``[image]``; empty where it was.
        summary: moments and extremes of the responses.
    """

    first: NDArray[np.int64]
    responses: NDArray[np.float32]
    top_classes: NDArray[np.int32]
    top_probabilities: NDArray[np.float32]
    sizes: NDArray[np.int32]
    errors: NDArray[np.str_]
    summary: Summary


_ARRAYS = tuple(field.name for field in fields(Part) if field.name != "summary")


@dataclass(frozen=True, slots=True)
class Parts:
    """The folder ``ATLAS.parts`` beside an atlas to be."""

    folder: Path

    @classmethod
    def beside(cls, atlas: Path) -> "Parts":
        """Return the parts that belong to an atlas."""
        return cls(atlas.with_name(atlas.name + ".parts"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other scans out while the context lasts.

        Raises:
            AtlasError: if another scan is at work, or the folder can't be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR)
        except OSError as problem:
            raise AtlasError(
                f"can't write to '{self.folder}': {problem.strerror}; choose another place with -o"
            ) from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise AtlasError(f"another scan is writing '{self.folder}'; wait for it, or choose another -o") from None
        finally:
            if not (self.folder / "plan.json").exists():
                self.remove()  # nothing was begun, so nothing is left behind
            os.close(lock)

    def plan(self) -> dict[str, Any] | None:
        """Return the plan that the parts were made by; None where there is none yet."""
        try:
            return json.loads((self.folder / "plan.json").read_text("utf-8"))  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None
        except ValueError as problem:
            raise AtlasError(f"'{self.folder}/plan.json' is damaged; remove '{self.folder}' to start over") from problem

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Record the plan that the parts are made by."""
        write_whole(self.folder / "plan.json", json.dumps(plan, indent=1).encode())

    def has(self, shard: int) -> bool:
        """Tell whether a shard's part is there."""
        return self._path(shard).exists()

    def write(self, shard: int, part: Part) -> None:
        """Write a shard's part, whole or not at all."""
        arrays = {name: getattr(part, name) for name in _ARRAYS}
        temporary = self._path(shard).with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays, **part.summary.to_arrays())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path(shard))
        sync_folder(self.folder)

    def read(self, shard: int) -> Part:
        """Return a shard's part.

        Raises:
            AtlasError: if its file is damaged.
        """
        try:
            with np.load(self._path(shard), allow_pickle=False) as arrays:
                values = dict(arrays)
        except (OSError, ValueError, EOFError, KeyError) as problem:
            raise AtlasError(
                f"part '{self._path(shard)}' is damaged ({problem}); remove it and scan again: only it is redone"
            ) from problem
        return Part(**{name: values[name] for name in _ARRAYS}, summary=Summary.from_arrays(values))

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, shard: int) -> Path:
        return self.folder / f"part-{shard:06d}.npz"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
