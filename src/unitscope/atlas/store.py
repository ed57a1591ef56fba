"""From parts to an atlas: merge in shard order, write aside, appear by one rename.

In: parts and what the manifest knows before they are merged. Out: the atlas folder.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray

from unitscope.atlas.parts import Part, Parts
from unitscope.atlas.places import Place, remove, sizes_in, sync_all, sync_folder, write_whole, zarr_store
from unitscope.atlas.schema import ARRAYS, IMAGES, MANIFEST, UNITS, ImageList, Manifest
from unitscope.atlas.tables import image_table, unit_table
from unitscope.summaries import ClassSums, SomeClassSums, Summary
from unitscope.units import UnitIndex

_UNITS_IN_CHUNK = 256
_DIMENSIONS = {
    "top_values": ("rank", "unit"),
    "top_images": ("rank", "unit"),
    "bottom_values": ("rank", "unit"),
    "bottom_images": ("rank", "unit"),
    "class_sums": ("class", "unit"),
    "class_counts": ("class", "unit"),
}


def write_atlas(target: Place, parts: Parts, *, manifest: Manifest, images: ImageList) -> Manifest:
    """Merge all parts into an atlas at target and remove them; return the manifest as written.

    It appears by one rename; in a store, which has none, by its manifest, the last file that is written.
    """
    aside = parts.folder / "atlas" if isinstance(target, Path) else target
    _start_over(aside)
    merge = _Merge(aside, manifest, images)
    for shard in range(-(-len(images.ids) // merge.shard_size)):
        merge.add(parts.read(shard))
    finished = replace(merge.finish(), files=sizes_in(aside))
    write_whole(aside / MANIFEST, finished.to_json().encode())
    if isinstance(target, Path) and isinstance(aside, Path):
        sync_all(aside)
        aside.rename(target)
        sync_folder(target.parent)
    parts.remove()
    return finished


class _Merge:
    """An atlas in the making; memory holds one part and the running summaries."""

    def __init__(self, folder: Place, manifest: Manifest, images: ImageList) -> None:
        self.folder, self.manifest, self.images = folder, manifest, images
        self.index = UnitIndex(manifest.layers)
        self.shard_size = int(manifest.scan["shard_size"])
        self.summary = Summary.empty(len(self.index), k=int(manifest.scan["top"]))
        self.classes = ClassSums.empty(len(self.index), classes=len(manifest.labels))
        self.rows: list[Part] = []
        self.group = zarr.create_group(zarr_store(folder / ARRAYS))
        self.kept = str(manifest.scan.get("responses", "float32"))
        self.responses = None if self.kept == "none" else self._create_responses()

    def add(self, part: Part) -> None:
        first, count = int(part.first), len(part.errors)
        if self.responses is not None:
            self.responses[first : first + count] = _as_stored(part.responses, self.kept)
        self.summary = self.summary.merge(part.summary)
        self.classes.add_some(part.class_sums(self.images.labels[first : first + count]))
        self.rows.append(
            replace(
                part, responses=part.responses[:, :0], summary=Summary.empty(0, k=1), classes=SomeClassSums.empty(0)
            )
        )

    def finish(self) -> Manifest:
        arrays = self.summary.to_arrays() | (self.classes.to_arrays() if self.manifest.labels else {})
        for name, values in arrays.items():
            _store(self.group, name, values, _DIMENSIONS.get(name, ("unit",)))
        images = image_table(self.rows, self.images, self.manifest)
        _write_table(self.folder / IMAGES, images)
        _write_table(
            self.folder / UNITS, unit_table(self.index, self.summary.moments, self.classes, self.manifest.labels)
        )
        failed = int((images["error"] != "").sum())
        return replace(
            self.manifest,
            images={**self.manifest.images, "failed": failed},
            accuracy=_accuracy(images),
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


def _accuracy(images: pd.DataFrame) -> dict[str, int]:
    judged = images["correct"].notna()
    if not judged.any():
        return {}
    right = {name: int(images.loc[judged, name].astype(bool).sum()) for name in ("correct", "correct_top5")}
    return {
        "images": int(judged.sum()),
        "top1_correct": right["correct"],
        "top5_correct": right["correct_top5"],
    }


def _as_stored(responses: NDArray[np.float32], kept: str) -> NDArray[Any]:
    """Responses as they are stored: those that are too large for half precision become its greatest number."""
    if kept == "float32":
        return responses
    most = np.finfo(kept).max
    return np.clip(responses, -most, most).astype(kept)


def _write_table(path: Place, table: pd.DataFrame) -> None:
    with path.open("wb") as file:
        table.to_parquet(file, index=False)


def _start_over(aside: Place) -> None:
    """An atlas that a killed scan left half merged is made anew from the parts."""
    remove(aside)
    if isinstance(aside, Path):
        aside.mkdir()
