"""What a scan leaves while it runs: one part file a shard, whole or not there.

In: each shard's responses and what is known of its images. Out: `Part` files in ``ATLAS.parts/``, beside the plan that
they were made by. A killed scan leaves whole parts; the next one makes those that are missing.
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
from unitscope.errors import AtlasError, first_line
from unitscope.summaries import SomeClassSums, Summary


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One shard's results; image ids run from ``first`` on.

    Attributes:
        first: id of its first image, int64 ``[]``.
        responses: float32 ``[image, unit]``; a row of NaN for an image that could not be read. ``[image, 0]`` where
            none are kept and ``classes`` holds all that is needed of them.
        top_classes: the five most probable classes, int32 ``[image, 5]``; -1 where there are none.
        top_probabilities: theirs, float32 ``[image, 5]``; NaN where there are none.
        sizes: width and height in pixels, int32 ``[image, 2]``; 0 for an image that could not be read.
        errors: why an image could not be read, text ``[image]``; empty where it was.
        summary: moments and extremes of the responses.
        classes: sums of the responses by class, where the responses are left out; else of no class.
    """

    first: NDArray[np.int64]
    responses: NDArray[np.float32]
    top_classes: NDArray[np.int32]
    top_probabilities: NDArray[np.float32]
    sizes: NDArray[np.int32]
    errors: NDArray[np.str_]
    summary: Summary
    classes: SomeClassSums = field(default_factory=lambda: SomeClassSums.empty(0))

    def class_sums(self, members: Sequence[Sequence[int]]) -> SomeClassSums:
        """Return the sums of the responses by class; members holds each image's class numbers."""
        return SomeClassSums.of(self.responses, members) if self.responses.shape[1] else self.classes


_ARRAYS = tuple(one.name for one in fields(Part) if one.name not in ("summary", "classes"))


@dataclass(frozen=True, slots=True)
class Parts:
    """The folder ``ATLAS.parts`` beside an atlas to be."""

    folder: StoragePath

    @classmethod
    def beside(cls, atlas: StoragePath) -> "Parts":
        """Return the parts that belong to an atlas."""
        return cls(atlas.with_name(atlas.name + ".parts"))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other scans out while the context lasts; a store has no locks, so there it is for the user to see to.

        Raises:
            AtlasError: if another scan is at work, or the folder can't be made.
        """
        if not isinstance(self.folder, Path):
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR)
        except OSError as problem:
            raise AtlasError(
                f"can't write to '{self.folder}': {problem.strerror}; choose another place with -o"
            ) from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise AtlasError(f"another scan is writing '{self.folder}'; wait for it, or choose another -o") from None
        try:
            yield
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
        """Record the plan that the parts are made by, before any is written; those that lie there may be of another.

        Raises:
            AtlasError: if nothing can be written there.
        """
        try:
            there: list[Any] = list(self.folder.iterdir()) if self.folder.exists() else []
            for path in there:
                if path.name.startswith("part-"):
                    path.unlink()
            write_atomic(self.folder / "plan.json", json.dumps(plan, indent=1).encode())
        except Exception as problem:  # each kind of store has its own
            raise AtlasError(f"can't write to '{self.folder}' ({first_line(problem)}); choose another -o") from problem

    def take_back_plan(self, shards: int) -> None:
        """Remove the plan if none of so many shards has a part, so that it is in no other scan's way."""
        if not any(map(self.has, range(shards))):
            (self.folder / "plan.json").unlink(missing_ok=True)

    def has(self, shard: int) -> bool:
        """Tell whether a shard's part is there."""
        return self._path(shard).exists()

    def write(self, shard: int, part: Part) -> None:
        """Write a shard's part, whole or not at all."""
        arrays = {name: getattr(part, name) for name in _ARRAYS}
        sums = {f"class_{one.name}": getattr(part.classes, one.name) for one in fields(SomeClassSums)}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays, **part.summary.to_arrays(), **sums)
        write_atomic(self._path(shard), file.getbuffer())

    def read(self, shard: int) -> Part:
        """Return a shard's part.

        Raises:
            AtlasError: if its file is damaged.
        """
        try:
            with self._path(shard).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                values = dict(arrays)
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as problem:
            raise AtlasError(
                f"part '{self._path(shard)}' is damaged ({problem}); remove it and scan again: only it is redone"
            ) from problem
        return Part(
            **{name: values[name] for name in _ARRAYS},
            summary=Summary.from_arrays(values),
            classes=SomeClassSums(*(values[f"class_{one.name}"] for one in fields(SomeClassSums))),
        )

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        remove(self.folder)

    def _path(self, shard: int) -> StoragePath:
        return self.folder / f"part-{shard:06d}.npz"
