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

from unitscope.atlas.parts import Part, Parts, sync_folder, write_whole
from unitscope.atlas.schema import ARRAYS, IMAGES, MANIFEST, UNITS, ImageList, Manifest
from unitscope.atlas.tables import image_table, unit_table
from unitscope.summaries import ClassSums, Summary
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


def write_atlas(target: Path, parts: Parts, *, manifest: Manifest, images: ImageList) -> Manifest:
    """Merge all parts into an atlas at target and remove them; return the manifest as written."""
    aside = parts.folder / "atlas"
    _start_over(aside)
    merge = _Merge(aside, manifest, images)
    for shard in range(-(-len(images.ids) // merge.shard_size)):
        merge.add(parts.read(shard))
    finished = replace(merge.finish(), files=_sizes(aside))
    write_whole(aside / MANIFEST, finished.to_json().encode())
    aside.rename(target)
    sync_folder(target.parent)
    parts.remove()
    return finished


class _Merge:
    """An atlas in the making; memory holds one part and the running summaries."""

    def __init__(self, folder: Path, manifest: Manifest, images: ImageList) -> None:
        self.folder, self.manifest, self.images = folder, manifest, images
        self.index = UnitIndex(manifest.layers)
        self.shard_size = int(manifest.scan["shard_size"])
        self.summary = Summary.empty(len(self.index), k=int(manifest.scan["top"]))
        self.classes = ClassSums.empty(len(self.index), classes=len(manifest.labels))
        self.rows: list[Part] = []
        self.group = zarr.create_group(folder / ARRAYS)
        self.responses = self._create_responses()

    def add(self, part: Part) -> None:
        first, count = int(part.first), len(part.errors)
        self.responses[first : first + count] = part.responses
        self.summary = self.summary.merge(part.summary)
        self.classes.add(part.responses, self.images.labels[first : first + count])
        self.rows.append(replace(part, responses=part.responses[:, :0], summary=Summary.empty(0, k=1)))

    def finish(self) -> Manifest:
        arrays = self.summary.to_arrays() | (self.classes.to_arrays() if self.manifest.labels else {})
        for name, values in arrays.items():
            _store(self.group, name, values, _DIMENSIONS.get(name, ("unit",)))
        images = image_table(self.rows, self.images, self.manifest)
        images.to_parquet(self.folder / IMAGES, index=False)
        unit_table(self.index, self.summary.moments, self.classes, self.manifest.labels).to_parquet(
            self.folder / UNITS, index=False
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
            dtype="float32",
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


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _start_over(folder: Path) -> None:
    """An atlas that a killed scan left half merged is made anew from the parts."""
    Parts(folder).remove()
    folder.mkdir()
