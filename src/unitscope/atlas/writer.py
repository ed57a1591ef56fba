"""From parts to an atlas: merge in shard order, write aside, appear by one rename.

In: parts and what the manifest knows before they are merged. Out: the atlas folder.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zarr
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow.parquet import ParquetWriter

from unitscope.atlas.parts import Part, Parts
from unitscope.atlas.schema import ARRAYS, IMAGES, MANIFEST, UNITS, ImageList, Manifest
from unitscope.atlas.storage import StoragePath, remove, sizes_in, sync_all, sync_folder, write_atomic, zarr_store
from unitscope.atlas.tables import image_table, unit_table
from unitscope.summaries import ClassSums, Summary
from unitscope.units import UnitIndex

_UNITS_IN_CHUNK = 256
_ROWS_AT_ONCE = 16_384
_DIMENSIONS = {
    "top_values": ("rank", "unit"),
    "top_images": ("rank", "unit"),
    "bottom_values": ("rank", "unit"),
    "bottom_images": ("rank", "unit"),
    "class_sums": ("class", "unit"),
    "class_counts": ("class", "unit"),
}


def write_atlas(target: StoragePath, parts: Parts, *, manifest: Manifest, images: ImageList) -> Manifest:
    """Merge all parts into an atlas at target and remove them; return the manifest as written.

    It appears by one rename; in a store, which has none, by its manifest, the last file that is written.
    """
    aside = parts.folder / "atlas" if isinstance(target, Path) else target
    _start_over(aside)
    with closing(_ImageRows(aside / IMAGES, manifest, images)) as rows:
        merge = _Merge(aside, manifest, images, rows)
        for shard in range(-(-len(images.ids) // merge.shard_size)):
            merge.add(parts.read(shard))
        merged = merge.finish()
    finished = replace(merged, files=sizes_in(aside))
    write_atomic(aside / MANIFEST, finished.to_json().encode())
    if isinstance(target, Path) and isinstance(aside, Path):
        sync_all(aside)
        aside.rename(target)
        sync_folder(target.parent)
    parts.remove()
    return finished


class _Merge:
    """An atlas in the making; memory holds one part, some rows of images, and the running summaries."""

    def __init__(self, folder: StoragePath, manifest: Manifest, images: ImageList, rows: "_ImageRows") -> None:
        self.folder, self.manifest, self.images, self.rows = folder, manifest, images, rows
        self.index = UnitIndex(manifest.layers)
        self.shard_size = int(manifest.scan["shard_size"])
        self.summary = Summary.empty(len(self.index), k=int(manifest.scan["top"]))
        self.classes = ClassSums.empty(len(self.index), classes=len(manifest.labels))
        self.group = zarr.create_group(zarr_store(folder / ARRAYS))
        self.kept = str(manifest.scan.get("responses", "float32"))
        self.responses = None if self.kept == "none" else self._create_responses()

    def add(self, part: Part) -> None:
        first, count = int(part.first), len(part.errors)
        if self.responses is not None:
            self.responses[first : first + count] = _as_stored(part.responses, self.kept)
        self.summary = self.summary.merge(part.summary)
        self.classes.add(part.class_sums(self.images.labels[first : first + count]))
        self.rows.add(part)

    def finish(self) -> Manifest:
        arrays = self.summary.to_arrays() | (self.classes.to_arrays() if self.manifest.labels else {})
        for name, values in arrays.items():
            _store(self.group, name, values, _DIMENSIONS.get(name, ("unit",)))
        with (self.folder / UNITS).open("wb") as file:
            units = unit_table(self.index, self.summary.moments, self.classes, self.manifest.labels)
            units.to_parquet(file, index=False)
        self.rows.write()
        return replace(
            self.manifest,
            images={**self.manifest.images, "failed": self.rows.counts["failed"]},
            accuracy=self.rows.accuracy,
        )

    def _create_responses(self) -> Any:
        units = max(len(self.index), 1)
        width = min(_UNITS_IN_CHUNK, units)
        rows = min(self.shard_size, len(self.images.ids))
        return self.group.create_array(
            "responses",
            shape=(len(self.images.ids), len(self.index)),
            dtype=self.kept,
            chunks=(rows, width),
            shards=(rows, -(-units // width) * width),
            compressors=None,
            fill_value=np.nan,
            dimension_names=("image", "unit"),
        )


class _ImageRows:
    """The table of images in the making, written as rows come in: of a million images it would fill gigabytes."""

    def __init__(self, path: StoragePath, manifest: Manifest, images: ImageList) -> None:
        self.manifest, self.images = manifest, images
        self.file = path.open("wb")
        self.writer: ParquetWriter | None = None
        self.waiting: list[pa.Table] = []
        self.counts = Counter[str]()

    def add(self, part: Part) -> None:
        table = image_table(part, self.images, self.manifest)
        self.counts.update(
            failed=int((part.errors != "").sum()),
            images=compute.count(table["correct"]).as_py(),
            top1_correct=compute.sum(table["correct"]).as_py() or 0,
            top5_correct=compute.sum(table["correct_top5"]).as_py() or 0,
        )
        self.waiting.append(table)
        if sum(map(len, self.waiting)) >= _ROWS_AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write the rows that wait."""
        if self.waiting:
            table = pa.concat_tables(self.waiting)
            self.writer = self.writer or ParquetWriter(self.file, table.schema)
            self.writer.write_table(table)
            self.waiting = []

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.file.close()

    @property
    def accuracy(self) -> dict[str, int]:
        """How many images were judged, and how many of them right; nothing where none could be."""
        names = ("images", "top1_correct", "top5_correct")
        return {name: self.counts[name] for name in names} if self.counts["images"] else {}


def _store(group: zarr.Group, name: str, values: NDArray[Any], dimensions: Sequence[str]) -> None:
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=_chunks(values), dimension_names=dimensions
    )
    array[...] = values


def _chunks(values: NDArray[Any]) -> tuple[int, ...]:
    """Whole rows of units, in chunks of some megabytes."""
    if values.ndim == 1:
        return (max(len(values), 1),)
    rows = max(1, min(len(values), 2**23 // max(values[:1].nbytes, 1)))
    return (rows, max(values.shape[1], 1))


def _as_stored(responses: NDArray[np.float32], kept: str) -> NDArray[Any]:
    """Responses as they are stored: those that are too large for half precision become its greatest number."""
    if kept == "float32":
        return responses
    most = np.finfo(kept).max
    return np.clip(responses, -most, most).astype(kept)


def _start_over(aside: StoragePath) -> None:
    """An atlas that a killed scan left half merged is made anew from the parts."""
    remove(aside)
    if isinstance(aside, Path):
        aside.mkdir()
