"""Part files of a running scan: one per shard, written atomically.

In: the results of each shard. Out: `Part` files in ``ATLAS.parts/``, next to the plan of the scan. After a scan was
killed, its parts remain; the next scan computes only the missing ones.
"""

import contextlib
import fcntl
import io
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.atlas.storage import StoragePath, remove, write_atomic
from unitscope.errors import AtlasError, WriteError, first_line
from unitscope.files import reason_not_written
from unitscope.summaries import ShardClassSums, Summary
from unitscope.text import byte_count


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The results of one shard; image ids count up from ``first``.

    Attributes:
        first: id of the first image, int64 ``[]``.
        responses: float32 ``[image, unit]``; NaN for images that could not be read. ``[image, 0]`` if responses are not
            stored and ``classes`` replaces them.
        top_classes: the five most probable classes, int32 ``[image, 5]``; -1 if there are none.
        top_probabilities: probabilities of those classes, float32 ``[image, 5]``; NaN if there are none.
        sizes: width and height in pixels, int32 ``[image, 2]``; 0 for images that could not be read.
        errors: why an image could not be read, str ``[image]``; empty if it could.
        summary: moments and extremes of the responses.
        classes: sums of the responses by class if ``responses`` is empty, otherwise no classes.
    """

    first: NDArray[np.int64]
    responses: NDArray[np.float32]
    top_classes: NDArray[np.int32]
    top_probabilities: NDArray[np.float32]
    sizes: NDArray[np.int32]
    errors: NDArray[np.str_]
    summary: Summary
    classes: ShardClassSums = field(default_factory=lambda: ShardClassSums.empty(0))

    def class_sums(self, class_numbers: Sequence[Sequence[int]]) -> ShardClassSums:
        """Return the sums of the responses by class; ``class_numbers`` lists each image's class numbers."""
        return ShardClassSums.of(self.responses, class_numbers) if self.responses.shape[1] else self.classes


_IMAGES = "images.parquet"
_ARRAYS = tuple(one.name for one in fields(Part) if one.name not in ("summary", "classes"))


@dataclass(frozen=True, slots=True)
class Parts:
    """The folder ``ATLAS.parts`` next to the atlas that a scan will write."""

    folder: StoragePath

    @classmethod
    def for_atlas(cls, atlas: StoragePath) -> "Parts":
        """Return the parts that belong to an atlas."""
        return cls(atlas.with_name(atlas.name + ".parts"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other scans while the context lasts; only local folders can be locked.

        Raises:
            AtlasError: if another scan holds the lock, or the folder can't be created.
        """
        if not isinstance(self.folder, Path):
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR)
        except OSError as problem:
            why = reason_not_written(problem, self.folder) or f"{problem.strerror}; choose another path with -o"
            raise AtlasError(f"can't write to '{self.folder}': {why}") from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AtlasError(f"another scan is writing '{self.folder}'; wait for it, or choose another -o") from None
        try:
            yield
        finally:
            if not (self.folder / "plan.json").exists():
                self.remove()  # no scan was started, so leave nothing behind
            os.close(lock)

    def plan(self) -> dict[str, Any] | None:
        """Return the plan of the parts; None if there is none yet."""
        try:
            return json.loads((self.folder / "plan.json").read_text("utf-8"))  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None
        except ValueError as problem:
            raise AtlasError(f"'{self.folder}/plan.json' is damaged; remove '{self.folder}' to start over") from problem

    def images(self) -> bytes:
        """Return the record of the images, as given to `write_plan`; empty if there is none."""
        try:
            return (self.folder / _IMAGES).read_bytes()
        except OSError:
            return b""

    def write_plan(self, plan: dict[str, Any], images: bytes = b"") -> None:
        """Write the plan of the parts and a record of its images, before the first part; remove parts of another plan.

        Raises:
            AtlasError: if the folder can't be written to.
        """
        try:
            existing: list[Any] = list(self.folder.iterdir()) if self.folder.exists() else []
            for path in existing:
                if path.name.startswith("part-"):
                    path.unlink()
            write_atomic(self.folder / _IMAGES, images)
            write_atomic(self.folder / "plan.json", json.dumps(plan, indent=1).encode())
        except WriteError:
            raise
        except Exception as problem:  # each kind of store raises its own exceptions
            raise AtlasError(f"can't write to '{self.folder}' ({first_line(problem)}); choose another -o") from problem

    def remove_unused_plan(self, shards: int) -> None:
        """Remove the plan if none of the ``shards`` has a part, so that it does not block another scan."""
        if not any(map(self.has, range(shards))):
            (self.folder / "plan.json").unlink(missing_ok=True)
            (self.folder / _IMAGES).unlink(missing_ok=True)

    def has(self, shard: int) -> bool:
        """Return whether a shard's part exists."""
        return self._path(shard).exists()

    def write(self, shard: int, part: Part, *, left: int = 0) -> None:
        """Write a shard's part atomically.

        Args:
            shard: the shard's number.
            part: its results.
            left: number of bytes that the scan will still write, for messages.

        Raises:
            WriteError: if the disk is full or read-only; the parts written before are kept.
        """
        arrays = {name: getattr(part, name) for name in _ARRAYS}
        sums = {f"class_{one.name}": getattr(part.classes, one.name) for one in fields(ShardClassSums)}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays, **part.summary.to_arrays(), **sums)
        needed = f", about {byte_count(left)} to finish this scan" if left else ""
        then = f"{needed}, then give the same command again: it goes on from here"
        write_atomic(self._path(shard), file.getbuffer(), then=then)

    def read(self, shard: int) -> Part:
        """Return a shard's part.

        Raises:
            AtlasError: if its file is damaged or can't be read.
        """
        try:
            with self._path(shard).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                values = dict(arrays)
        except OSError as problem:
            raise AtlasError(
                f"part '{self._path(shard)}' can't be read ({first_line(problem)}); give the same command again"
            ) from problem
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as problem:
            raise AtlasError(
                f"part '{self._path(shard)}' is damaged ({problem}); remove it and scan again: "
                "only this part is recomputed"
            ) from problem
        return Part(
            **{name: values[name] for name in _ARRAYS},
            summary=Summary.from_arrays(values),
            classes=ShardClassSums(*(values[f"class_{one.name}"] for one in fields(ShardClassSums))),
        )

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        remove(self.folder)

    def _path(self, shard: int) -> StoragePath:
        return self.folder / f"part-{shard:06d}.npz"
