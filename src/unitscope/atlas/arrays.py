"""The arrays of an atlas: what a scan writes, checked before zarr opens them.

In: an atlas folder and its manifest. Out: an xarray Dataset. Only zarr v3 arrays with known names, shapes, types and
codecs are opened: other codecs can run code, and other shapes would be other numbers.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from unitscope.atlas.checksums import check_content, damaged, unreadable
from unitscope.atlas.schema import ARRAYS, Manifest
from unitscope.atlas.storage import StoragePath, sizes_in, zarr_store

METADATA = "zarr.json"
_SMALL = 2**14  # a side of a chunk that may be larger than the array
_CODECS = {"bytes", "crc32c", "zstd", "sharding_indexed"}
_UNIT, _RANK, _CLASS = ("unit",), ("rank", "unit"), ("class", "unit")
_KINDS = {
    "count": (_UNIT, ("int64",)),
    "mean": (_UNIT, ("float64",)),
    "m2": (_UNIT, ("float64",)),
    "min": (_UNIT, ("float32",)),
    "max": (_UNIT, ("float32",)),
    "zeros": (_UNIT, ("int64",)),
    "top_values": (_RANK, ("float32",)),
    "top_images": (_RANK, ("int64",)),
    "bottom_values": (_RANK, ("float32",)),
    "bottom_images": (_RANK, ("int64",)),
    "peak_values": (_RANK, ("float32",)),
    "peak_images": (_RANK, ("int64",)),
    "peak_places": (_RANK, ("int32",)),
    "class_sums": (_CLASS, ("float64",)),
    "class_counts": (_CLASS, ("int64",)),
    "responses": (("image", "unit"), ("float32", "float16")),
}


def open_arrays(arrays: StoragePath, check: Callable[[str], None]) -> xr.Dataset:
    """Return the arrays in a folder, after `check_metadata`, as a Dataset that reads them when they are used.

    Args:
        arrays: the folder.
        check: called with an array's name before its values are read; raises if its files are damaged.

    Raises:
        AtlasError: if zarr can't open them.
    """
    try:
        group = zarr.open_group(zarr_store(arrays), mode="r", zarr_format=3, use_consolidated=False)
        opened = {name: _CheckedArray(array, name, arrays, check) for name, array in group.arrays()}
    except Exception as problem:  # zarr raises many kinds of errors
        raise unreadable(arrays.parent, ARRAYS, problem) from problem
    return xr.Dataset(
        {name: xr.Variable(_KINDS[name][0], indexing.LazilyIndexedArray(array)) for name, array in opened.items()}
    )


class _CheckedArray(BackendArray):  # type: ignore[misc]
    """An array whose files are checked before it is read."""

    def __init__(self, array: Any, name: str, arrays: StoragePath, check: Callable[[str], None]) -> None:
        self.array, self.name, self.arrays, self.check = array, name, arrays, check
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        self.check(self.name)
        try:
            return np.asarray(self.array.oindex[key])
        except Exception as problem:  # a wrong checksum, or what the store or a codec raises
            raise unreadable(self.arrays.parent, f"{ARRAYS}/{self.name}", problem) from problem


def check_metadata(folder: StoragePath, manifest: Manifest) -> None:
    """Check the metadata of all arrays; reads a small file of each.

    Raises:
        AtlasError: if an array is missing or damaged, or not as a scan writes it.
    """
    check_content(folder, {name: file for name, file in manifest.files.items() if name.endswith(METADATA)})
    expected = _expected(manifest)
    present = {name.partition("/")[0] for name in sizes_in(folder / ARRAYS)} - {METADATA}
    if strange := present - expected.keys():
        raise damaged(folder, f"{ARRAYS} has '{min(strange)}', which no scan writes")
    for name in ("", *expected):
        path = folder / ARRAYS / name / METADATA
        try:
            values = json.loads(path.read_text("utf-8"))
            _check(values, name, *expected[name]) if name else _check_group(values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as problem:
            where = "/".join(filter(None, (ARRAYS, name, METADATA)))
            raise unreadable(folder, where, problem) from problem


def _expected(manifest: Manifest) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
    """Return the shape and the allowed types of each array."""
    sizes = {
        "unit": sum(layer.units for layer in manifest.layers),
        "rank": manifest.scan["top"],
        "class": len(manifest.labels),
        "image": manifest.images["count"],
    }
    left_out = set() if manifest.labels else {"class_sums", "class_counts"}
    if not manifest.scan.get("peaks"):
        left_out |= {name for name in _KINDS if name.startswith("peak_")}
    stored = manifest.scan.get("responses", "")
    if stored == "none":
        left_out.add("responses")
    return {
        name: (tuple(sizes[dimension] for dimension in dimensions), types)
        for name, (dimensions, types) in _KINDS.items()
        if name not in left_out
    }


def _check_group(values: Mapping[str, Any]) -> None:
    if (values["zarr_format"], values["node_type"]) != (3, "group"):
        raise ValueError("not a group of zarr v3")
    if values.keys() - {"zarr_format", "node_type", "attributes"} or values.get("attributes"):
        raise ValueError("it has more than a group's type, which no scan writes")


def _check(values: Mapping[str, Any], name: str, shape: tuple[int, ...], types: tuple[str, ...]) -> None:
    if (values["zarr_format"], values["node_type"]) != (3, "array"):
        raise ValueError("not an array of zarr v3")
    if tuple(values["shape"]) != shape:
        raise ValueError(f"its shape is {values['shape']}, not {list(shape)}")
    if values["data_type"] not in types:
        raise ValueError(f"its type is {values['data_type']!r}, not {' or '.join(types)}")
    if values.get("storage_transformers") or values.get("attributes"):
        raise ValueError("it has attributes or storage transformers, which no scan writes")
    if values.get("dimension_names") not in (None, list(_KINDS[name][0])):
        raise ValueError(f"its dimensions are {values['dimension_names']}")
    if values["fill_value"] not in (0, "NaN"):
        raise ValueError(f"its fill value is {values['fill_value']!r}")
    grid, keys = values["chunk_grid"], values["chunk_key_encoding"]
    if grid["name"] != "regular" or keys != {"name": "default", "configuration": {"separator": "/"}}:
        raise ValueError("its chunks are not named as a scan names them")
    _check_chunk(grid["configuration"]["chunk_shape"], shape)
    _check_codecs(values["codecs"], shape)


def _check_codecs(codecs: list[Any], shape: tuple[int, ...]) -> None:
    for codec in codecs:
        if codec["name"] not in _CODECS:
            raise ValueError(f"its codec {codec['name']!r} is none of {', '.join(sorted(_CODECS))}")
        if codec["name"] == "sharding_indexed":
            inner = codec["configuration"]
            _check_chunk(inner["chunk_shape"], shape)
            _check_codecs([*inner["codecs"], *inner["index_codecs"]], shape)


def _check_chunk(chunk: list[Any], shape: tuple[int, ...]) -> None:
    """Check that a chunk is not much larger than its array, as decoding it would fill the memory."""
    sides = zip(chunk, shape, strict=True)
    if not all(isinstance(side, int) and 1 <= side <= max(2 * length, _SMALL) for side, length in sides):
        raise ValueError(f"its chunk shape is {chunk}")
