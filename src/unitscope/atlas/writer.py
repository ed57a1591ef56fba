"""Merge parts into an atlas, in shard order, and publish it with one rename.

In: parts, and the manifest without the values that depend on them. Out: the atlas folder.
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

from unitscope.atlas.checksums import StoredFile, crc32c, files_in
from unitscope.atlas.parts import Part, Parts
from unitscope.atlas.responses import CHUNK_CODECS, encode_shard
from unitscope.atlas.schema import ARRAYS, IMAGES, MANIFEST, UNITS, ImageList, Manifest
from unitscope.atlas.storage import StoragePath, remove, sync_all, sync_folder, write_atomic, zarr_store
from unitscope.atlas.tables import image_table, unit_table
from unitscope.files import explain_write_errors
from unitscope.summaries import ClassSums, Summary
from unitscope.units import UnitIndex

_UNITS_IN_CHUNK = 256
_ROWS_AT_ONCE = 16_384
_THEN = ", about as much as the parts take, then give the same command again: only merging them is left"
_DIMENSIONS = {
    "top_values": ("rank", "unit"),
    "top_images": ("rank", "unit"),
    "bottom_values": ("rank", "unit"),
    "bottom_images": ("rank", "unit"),
    "peak_values": ("rank", "unit"),
    "peak_images": ("rank", "unit"),
    "peak_places": ("rank", "unit"),
    "class_sums": ("class", "unit"),
    "class_counts": ("class", "unit"),
}


def write_atlas(target: StoragePath, parts: Parts, *, manifest: Manifest, images: ImageList) -> Manifest:
    """Merge all parts into an atlas at ``target``, remove the parts, and return the final manifest.

    A local atlas appears by one rename; one in a remote store, which can't rename, when its manifest is written last.

    Raises:
        WriteError: if the disk is full or read-only; the parts are kept.
    """
    folder = parts.folder / "atlas" if isinstance(target, Path) else target
    with explain_write_errors(folder, then=_THEN):
        try:
            finished = _merge(folder, parts, manifest, images)
            if isinstance(target, Path) and isinstance(folder, Path):
                sync_all(folder)
                folder.rename(target)
                sync_folder(target.parent)
        except Exception:
            if isinstance(folder, Path):
                remove(folder)  # what is half written takes space
            raise
    parts.remove()
    return finished


def _merge(folder: StoragePath, parts: Parts, manifest: Manifest, images: ImageList) -> Manifest:
    """Write the merged parts to a folder, and return the final manifest."""
    _make_empty(folder)
    with closing(_ImageRows(folder / IMAGES, manifest, images)) as rows:
        merge = _Merge(folder, manifest, images, rows)
        for shard in range(-(-len(images.ids) // merge.shard_size)):
            merge.add(parts.read(shard))
        merged = merge.finish()
    finished = replace(merged, files=files_in(folder, merge.files))
    write_atomic(folder / MANIFEST, finished.to_json().encode(), then=_THEN)
    return finished


class _Merge:
    """An unfinished atlas; memory holds one part, some rows of the image table, and the running summaries."""

    def __init__(self, folder: StoragePath, manifest: Manifest, images: ImageList, rows: "_ImageRows") -> None:
        self.folder, self.manifest, self.images, self.rows = folder, manifest, images, rows
        self.index = UnitIndex(manifest.layers)
        self.shard_size = int(manifest.scan["shard_size"])
        top, peaks = int(manifest.scan["top"]), bool(manifest.receptive_fields)
        self.summary = Summary.empty(len(self.index), k=top, peaks=peaks)
        self.classes = ClassSums.empty(len(self.index), classes=len(manifest.labels))
        self.group = zarr.create_group(zarr_store(folder / ARRAYS))
        self.dtype = str(manifest.scan.get("responses", "float32"))
        self.files: dict[str, StoredFile] = {}  # those of the responses, the only large ones
        if self.dtype != "none":
            self._create_responses()

    def add(self, part: Part) -> None:
        first, count = int(part.first), len(part.errors)
        if self.dtype != "none" and len(self.index):
            self._write_responses(first // self.shard_size, part.responses)
        self.summary = self.summary.merge(part.summary)
        self.classes.add(part.class_sums(self.images.labels[first : first + count]))
        self.rows.add(part)

    def finish(self) -> Manifest:
        arrays = self.summary.to_arrays() | (self.classes.to_arrays() if self.manifest.labels else {})
        for name, values in arrays.items():
            with explain_write_errors(self.folder / ARRAYS / name, size=values.nbytes, then=_THEN):
                _store(self.group, name, values, _DIMENSIONS.get(name, ("unit",)))
        with explain_write_errors(self.folder / UNITS, then=_THEN), (self.folder / UNITS).open("wb") as file:
            units = unit_table(self.index, self.summary.moments, self.classes, self.manifest.labels)
            units.to_parquet(file, index=False)
        self.rows.write()
        return replace(
            self.manifest,
            images={**self.manifest.images, "failed": self.rows.counts["failed"]},
            scan={**self.manifest.scan, "peaks": self.summary.peaks is not None},
            accuracy=self.rows.accuracy,
        )

    @property
    def _chunk(self) -> tuple[int, int]:
        """Number of images and units in a chunk of responses."""
        return min(self.shard_size, len(self.images.ids)), min(_UNITS_IN_CHUNK, max(len(self.index), 1))

    def _create_responses(self) -> None:
        (rows, width), units = self._chunk, max(len(self.index), 1)
        self.group.create_array(
            "responses",
            shape=(len(self.images.ids), len(self.index)),
            dtype=self.dtype,
            chunks=(rows, width),
            shards=(rows, -(-units // width) * width),
            serializer=CHUNK_CODECS[0],
            compressors=CHUNK_CODECS[1:],
            fill_value=np.nan,
            dimension_names=("image", "unit"),
        )

    def _write_responses(self, shard: int, responses: NDArray[np.float32]) -> None:
        rows, width = self._chunk
        data = encode_shard(_as_stored(responses, self.dtype), rows=rows, width=width)
        name = f"{ARRAYS}/responses/c/{shard}/0"
        path = self.folder / name
        with explain_write_errors(path, size=len(data), then=_THEN):
            if isinstance(path, Path):
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.files[name] = StoredFile(len(data), f"{crc32c(data):08x}")


class _ImageRows:
    """The unfinished image table, written in pieces, since a million images would take gigabytes of memory."""

    def __init__(self, path: StoragePath, manifest: Manifest, images: ImageList) -> None:
        self.manifest, self.images = manifest, images
        self.file = path.open("wb")
        self.writer: ParquetWriter | None = None
        self.pending: list[pa.Table] = []
        self.counts = Counter[str]()

    def add(self, part: Part) -> None:
        table = image_table(part, self.images, self.manifest)
        self.counts.update(
            failed=int((part.errors != "").sum()),
            images=compute.count(table["correct"]).as_py(),
            top1_correct=compute.sum(table["correct"]).as_py() or 0,
            top5_correct=compute.sum(table["correct_top5"]).as_py() or 0,
        )
        self.pending.append(table)
        if sum(map(len, self.pending)) >= _ROWS_AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write the pending rows."""
        if self.pending:
            table = pa.concat_tables(self.pending)
            self.writer = self.writer or ParquetWriter(self.file, table.schema)
            self.writer.write_table(table)
            self.pending = []

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.file.close()

    @property
    def accuracy(self) -> dict[str, int]:
        """Numbers of images with known correctness and of correct predictions; empty if there are none."""
        names = ("images", "top1_correct", "top5_correct")
        return {name: self.counts[name] for name in names} if self.counts["images"] else {}


def _store(group: zarr.Group, name: str, values: NDArray[Any], dimensions: Sequence[str]) -> None:
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=_chunks(values), dimension_names=dimensions
    )
    array[...] = values


def _chunks(values: NDArray[Any]) -> tuple[int, ...]:
    """Return chunks of whole rows, a few megabytes each."""
    if values.ndim == 1:
        return (max(len(values), 1),)
    rows = max(1, min(len(values), 2**23 // max(values[:1].nbytes, 1)))
    return (rows, max(values.shape[1], 1))


def _as_stored(responses: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Return responses in the stored dtype, clipped to its range."""
    if dtype == "float32":
        return responses
    limit = np.finfo(dtype).max
    return np.clip(responses, -limit, limit).astype(dtype)


def _make_empty(folder: StoragePath) -> None:
    """Remove what a killed scan left half merged, and create the folder if it is local."""
    remove(folder)
    if isinstance(folder, Path):
        folder.mkdir()
