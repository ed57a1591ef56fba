"""The two tables of an atlas: one row per image, one row per unit.

In: parts and merged summaries. Out: tables with the columns listed in docs/atlas-format.md; a check of those read back.
"""

from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetFile

from unitscope.atlas.parts import Part
from unitscope.atlas.schema import IMAGES, UNITS, ImageList, Label, Manifest
from unitscope.summaries import ClassSums, Moments
from unitscope.summaries.selectivity import can_depend_on_labels, d_prime, selectivity_index
from unitscope.units import UnitIndex

TOP5 = 5

_UNIT_COLUMNS = pa.schema(
    {
        "layer": pa.string(),
        "layer_index": pa.int64(),
        "channel": pa.int64(),
        "count": pa.int64(),
        "mean": pa.float64(),
        "std": pa.float64(),
        "min": pa.float32(),
        "max": pa.float32(),
        "zero_fraction": pa.float64(),
        "dead": pa.bool_(),
    }
)
_LABEL_COLUMNS = pa.schema({"selective_class": pa.string(), "selectivity": pa.float64(), "d_prime": pa.float64()})
_IMAGE_COLUMNS = pa.schema(
    {
        "image": pa.string(),
        "labels": pa.list_(pa.string()),
        "label_names": pa.list_(pa.string()),
        "width": pa.int32(),
        "height": pa.int32(),
        "top5_classes": pa.list_(pa.int64()),
        "top5_probabilities": pa.list_(pa.float64()),
        "prediction": pa.string(),
        "error": pa.string(),
        "correct": pa.bool_(),
        "correct_top5": pa.bool_(),
    }
)


def image_table(part: Part, images: ImageList, manifest: Manifest) -> pa.Table:
    """Return one row for each image of a part, ordered by id."""
    rows = slice(int(part.first), int(part.first) + len(part.errors))
    images = ImageList(images.ids[rows], images.labels[rows])
    predicted = [[int(number) for number in row if number >= 0] for row in part.top_classes]
    table = pd.DataFrame(
        {
            "image": images.ids,
            "labels": [[manifest.labels[number].label for number in numbers] for numbers in images.labels],
            "label_names": [[manifest.labels[number].name for number in numbers] for numbers in images.labels],
            "width": part.sizes[:, 0],
            "height": part.sizes[:, 1],
            "top5_classes": predicted,
            "top5_probabilities": [
                [float(value) for value in row[: len(numbers)]]
                for row, numbers in zip(part.top_probabilities, predicted, strict=True)
            ],
            "prediction": [_class_name(manifest.classes, row[0]) if row else "" for row in predicted],
            "error": part.errors.tolist(),
        }
    )
    table = table.assign(**_correctness(predicted, images, manifest.labels))
    return pa.Table.from_pandas(table, schema=_IMAGE_COLUMNS, preserve_index=False)


def unit_table(index: UnitIndex, moments: Moments, classes: ClassSums, labels: Sequence[Label]) -> pd.DataFrame:
    """Return one row per unit, in the order of the unit axis."""
    layers, sizes = index.layers, [layer.units for layer in index.layers]
    known = moments.count > 0
    table = pd.DataFrame(
        {
            "layer": np.repeat([layer.name for layer in layers], sizes),
            "layer_index": np.repeat([layer.index for layer in layers], sizes),
            "channel": np.concatenate([np.arange(size) for size in sizes]),
            "count": moments.count,
            "mean": np.where(known, moments.mean, np.nan),
            "std": np.where(known, moments.std, np.nan),
            "min": np.where(known, moments.min, np.float32(np.nan)),
            "max": np.where(known, moments.max, np.float32(np.nan)),
            "zero_fraction": moments.zeros / np.where(known, moments.count, 1),
            "dead": known & (moments.zeros == moments.count),
        }
    )
    return table.assign(**selective_columns(table, classes, labels))


def read_table(file: IO[bytes], name: str, manifest: Manifest) -> pd.DataFrame:
    """Return a table that a scan has written.

    Raises:
        ValueError: if it has other columns, types, rows or ranges than a scan writes.
    """
    parquet = ParquetFile(file)
    _check_schema(parquet.schema_arrow, _IMAGE_COLUMNS if name == IMAGES else _UNIT_COLUMNS)
    if name == UNITS:
        _check_schema(parquet.schema_arrow, _LABEL_COLUMNS, needed=False)
    rows = manifest.images["count"] if name == IMAGES else sum(layer.units for layer in manifest.layers)
    if parquet.metadata.num_rows != rows:
        raise ValueError(f"it has {parquet.metadata.num_rows} rows, not {rows}")
    file.seek(0)
    table = pd.read_parquet(file)
    (_check_images if name == IMAGES else _check_units)(table, manifest)
    return table


def _check_schema(schema: pa.Schema, expected: pa.Schema, *, needed: bool = True) -> None:
    for field in expected:
        number = schema.get_field_index(field.name)
        if number < 0 and not needed:
            continue
        if number < 0:
            raise ValueError(f"it has no column '{field.name}'")
        found = _plain(schema.field(number).type)
        if found != field.type and (needed or not pa.types.is_null(found)):  # pandas writes a column of None as null
            raise ValueError(f"column '{field.name}' has the type {found}, not {field.type}")


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type with the usual kind of text and lists, as pandas chooses other kinds of them."""
    if pa.types.is_large_string(kind):
        return pa.string()
    return pa.list_(_plain(kind.value_type)) if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind


def _check_images(table: pd.DataFrame, manifest: Manifest) -> None:
    needed = [name for name in _IMAGE_COLUMNS.names if not name.startswith("correct")]
    if table[needed].isna().any(axis=None):
        raise ValueError("values are missing")
    if (table[["width", "height"]] < 0).any(axis=None):
        raise ValueError("columns 'width' and 'height' have values below 0")


def _check_units(table: pd.DataFrame, manifest: Manifest) -> None:
    layers = manifest.layers
    names = np.repeat([layer.name for layer in layers], [layer.units for layer in layers])
    if (table["layer"].to_numpy(object) != names).any():
        raise ValueError("column 'layer' has other layers than the manifest")
    if (table["channel"].to_numpy() != np.concatenate([np.arange(layer.units) for layer in layers])).any():
        raise ValueError("column 'channel' does not count the units of each layer")
    count, zeros = table["count"], table["zero_fraction"]
    if not count.between(0, manifest.images["count"]).all() or not zeros.between(0, 1).all():
        raise ValueError("columns 'count' and 'zero_fraction' have values out of their range")
    known = count > 0
    if table.loc[known, ["mean", "std", "min", "max"]].isna().any(axis=None):
        raise ValueError("statistics of units with responses are missing")
    if "d_prime" in table and not table["selectivity"].dropna().between(0, 1).all():
        raise ValueError("column 'selectivity' has values out of its range")


def _correctness(predicted: Sequence[Sequence[int]], images: ImageList, labels: Sequence[Label]) -> dict[str, Any]:
    """Return whether predictions are correct; missing without a prediction or a label among the network's classes."""
    truths = [{labels[n].network_class for n in numbers} - {None} for numbers in images.labels]
    known = [bool(row) and bool(truth) for row, truth in zip(predicted, truths, strict=True)]
    top1 = [bool(row) and row[0] in truth for row, truth in zip(predicted, truths, strict=True)]
    top5 = [bool(truth & set(row)) for row, truth in zip(predicted, truths, strict=True)]
    return {
        "correct": pd.array(_nullable(top1, known), dtype="boolean"),
        "correct_top5": pd.array(_nullable(top5, known), dtype="boolean"),
    }


def _nullable(values: Sequence[bool], known: Sequence[bool]) -> list[bool | None]:
    return [value if is_known else None for value, is_known in zip(values, known, strict=True)]


def selective_columns(units: pd.DataFrame, sums: ClassSums, labels: Sequence[Label]) -> dict[str, Any]:
    """Return the class with the highest mean response, its selectivity index and its d′, for each row of a unit table.

    All are missing where the labels can't make a difference; see `unitscope.summaries.selectivity`.
    """
    if len(labels) < 2:
        return {}
    best, index = selectivity_index(sums.means, units["min"].to_numpy(np.float64))
    valid = np.isfinite(index) & can_depend_on_labels(sums)
    moments = {name: units[name].to_numpy(np.float64) for name in ("mean", "std", "count")}
    mean, count = (np.take_along_axis(values, best[None], 0)[0] for values in (sums.means, sums.counts))
    return {
        "selective_class": [labels[n].name if known else None for n, known in zip(best, valid, strict=True)],
        "selectivity": np.where(valid, index, np.nan),
        "d_prime": np.where(valid, d_prime(mean, count, **moments), np.nan),
    }


def _class_name(classes: Sequence[str], number: int) -> str:
    return classes[number] if number < len(classes) else str(number)
