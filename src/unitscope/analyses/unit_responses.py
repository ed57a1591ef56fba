"""The distribution of a unit's responses: a histogram over all images, and the mean for each class.

In: an atlas and a unit. Out: `UnitResponses`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.class_units import class_unit_note
from unitscope.analyses.shuffled_labels import LabelledGroups
from unitscope.analyses.split_half import SplitHalf, split_half
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, columns_of, frame_of, layer_table, layers_by_name
from unitscope.text import sentence
from unitscope.units import Layer, Unit

BINS = 60


@dataclass(frozen=True, slots=True, eq=False)
class UnitResponses(Result):
    """The responses of one unit.

    Attributes:
        layer: the layer.
        unit: the unit.
        edges: edges of the bins, float64 ``[bin + 1]``, from zero (or the lowest response, if negative) to the
            highest response.
        histogram: number of images with a response in each bin, int64 ``[bin]``.
        classes: one row per label: label, name, images (that could be read), mean (α over them); the highest mean
            first. Labels without a mean are left out.
        split_half: agreement between halves of the images; None without labels.
        class_note: that the unit is one of the network's classes, in words; empty if it is not.
    """

    kind: ClassVar[str] = "unit_responses"

    layer: Layer
    unit: int
    edges: NDArray[np.float64]
    histogram: NDArray[np.int64]
    classes: pd.DataFrame
    split_half: SplitHalf | None = None
    class_note: str = ""

    def values(self) -> Values:
        """Return plain values: the columns of ``classes`` as lists."""
        return {
            "layer": self.layer.name,
            "unit": self.unit,
            "edges": self.edges.tolist(),
            "histogram": self.histogram.tolist(),
            "classes": columns_of(self.classes),
            "split_half": self.split_half and self.split_half.values(),
            "class_note": self.class_note,
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        name = values["layer"]
        arrays = np.array(values["edges"], np.float64), np.array(values["histogram"], np.int64)
        layer, halves = layers_by_name(values, [name])[name], values.get("split_half")
        stability = halves and SplitHalf.from_values(halves)
        return cls(layer, values["unit"], *arrays, frame_of(values["classes"]), stability, values.get("class_note", ""))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the histogram and the class means."""
        unit = f"{self.layer.name}:{self.unit}"
        bins = pd.DataFrame({"from": self.edges[:-1], "to": self.edges[1:], "images": self.histogram})
        means = f"Mean response of {unit} by class"
        if self.split_half is not None:
            means += f"; {self.split_half.note}"
        title = ". ".join(filter(None, (f"Responses of {unit}", sentence(self.class_note))))
        return {title: bins, means: self.classes}


def unit_responses(atlas: Atlas, unit: str | Unit, *, bins: int = BINS) -> UnitResponses:
    """Return the histogram of a unit's responses to all images, and its mean response to each class.

    Raises:
        LayerError: if the atlas has no such layer or unit.
        AtlasError: if the scan did not store responses.
        UnitscopeError: if ``bins`` is less than 1.
    """
    layer, channel = atlas.unit(unit)
    column = atlas.responses(layer, units=slice(channel, channel + 1))[:, 0]
    counts, edges = response_histogram(column, bins)
    classes, halves = unit_class_means(atlas, Unit(layer.name, channel)), None
    if atlas.manifest.labels:
        groups = LabelledGroups.of(atlas)
        halves = split_half(column[groups.rows], groups)
    note = class_unit_note(atlas, layer, channel)
    return UnitResponses(layer, channel, edges, counts, classes, halves, note)


def response_histogram(
    responses: NDArray[np.float32], bins: int = BINS
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the number of responses ``[image]`` in each bin, and the edges of the bins, like `numpy.histogram`.

    NaN and infinite responses are ignored.

    Raises:
        UnitscopeError: if ``bins`` is less than 1.
    """
    if bins < 1:
        raise UnitscopeError(f"a histogram needs at least 1 bin, not {bins}")
    # In float32, bins of nearly equal responses would be narrower than its precision.
    known = responses[np.isfinite(responses)].astype(np.float64)
    low, high = (min(0.0, float(known.min())), float(known.max())) if len(known) else (0.0, 1.0)
    return np.histogram(known, bins, (low, high if high > low else low + 1))


def unit_class_means(atlas: Atlas, unit: str | Unit) -> pd.DataFrame:
    """Return the mean response of a unit to each class, the highest first; see `UnitResponses`.

    Raises:
        LayerError: if the atlas has no such layer or unit.
    """
    means = atlas.class_means[:, atlas.index.flat(*atlas.unit(unit))]
    order = np.argsort(-means, kind="stable")[: int(np.isfinite(means).sum())]
    labels = [atlas.manifest.labels[number] for number in order]
    return pd.DataFrame(
        {
            "label": [label.label for label in labels],
            "name": [label.name for label in labels],
            "images": [atlas.label_counts.get(label.label, 0) for label in labels],
            "mean": means[order],
        }
    )
