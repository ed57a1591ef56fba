"""Data of the figures: one image's structure, one unit's exemplars, the units of a rule, and so on.

In: plain values and arrays. Out: frozen dataclasses, which `inspection` fills with torch and `figures` and `web` draw
without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.display.html import figure, gallery, map_uri, overlay_uri
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer

NO_PICTURE = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One of an image's most probable classes; the name is the class number if no name is known."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the image or of the network before the forward pass.

    Attributes:
        removed: units whose maps are set to zero, by layer.
        sigma: standard deviation of Gaussian noise added to the resized and cropped image, on the 0–1 scale.
        seed: seed of the noise.
    """

    removed: Mapping[str, Sequence[int]] = field(default_factory=dict)
    sigma: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The top units of one layer for one image.

    Attributes:
        layer: the layer.
        units: channels by descending response, int64 ``[rank]``.
        responses: α of the units, float32 ``[rank]``.
        maps: activation maps of the units, float32 ``[rank, row, column]``.
    """

    layer: Layer
    units: NDArray[np.int64]
    responses: NDArray[np.float32]
    maps: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Enlargement:
    """One unit's activation map, float32 ``[row, column]``, to be drawn large."""

    layer: Layer
    unit: int
    response: float
    map: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Structure(Result):
    """The top units of each layer for one image, from shallow to deep (paper, algorithm 1).

    Attributes:
        network: the network's reference.
        image: the image's id or path.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``.
        predictions: the most probable classes, most probable first; empty if the network is not a classifier.
        columns: one per layer, shallow to deep.
        enlarged: maps to draw large beside the columns.
        probabilities: probabilities of all classes, float32 ``[class]``; None if unknown or not a classifier.
    """

    kind: ClassVar[str] = "structure"

    network: str
    image: str
    picture: NDArray[np.uint8]
    predictions: tuple[Prediction, ...]
    columns: tuple[Column, ...]
    enlarged: tuple[Enlargement, ...] = ()
    probabilities: NDArray[np.float32] | None = None

    def values(self) -> Values:
        """Return plain values, without picture and maps; docs/commands/structure.md lists the keys."""
        return {
            "network": self.network,
            "image": self.image,
            "predictions": [
                {"class": one.index, "name": one.name, "probability": one.probability} for one in self.predictions
            ],
            "layers": [
                {"layer": one.layer.name, "units": one.units.tolist(), "responses": one.responses.tolist()}
                for one in self.columns
            ],
            "layer_table": layer_table(column.layer for column in self.columns),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the structure that has these `values`; its picture and maps are empty."""
        layers = layers_by_name(values, [one["layer"] for one in values["layers"]])
        predictions = (Prediction(one["class"], one["name"], one["probability"]) for one in values["predictions"])
        columns = (
            Column(
                layers[one["layer"]],
                np.array(one["units"], np.int64),
                np.array(one["responses"], np.float32),
                np.empty((len(one["units"]), 0, 0), np.float32),
            )
            for one in values["layers"]
        )
        return cls(values["network"], values["image"], NO_PICTURE, tuple(predictions), tuple(columns))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the predictions, and the top units of each layer with their responses."""
        top = [
            " ".join(f"{unit} ({response:.3g})" for unit, response in zip(one.units, one.responses, strict=True))
            for one in self.columns
        ]
        layers = [column.layer.display_name for column in self.columns]
        return {
            "Predictions": pd.DataFrame(
                [(one.index, one.name, one.probability) for one in self.predictions],
                columns=["class", "name", "probability"],
            ),
            f"Top units for {self.image}": pd.DataFrame({"layer": layers, "top units (response)": top}),
        }

    def _repr_html_(self) -> str:
        caption = ", ".join(f"{one.name} {one.probability:.1%}" for one in self.predictions[:3])
        shown = [figure(overlay_uri(self.picture, None), caption, side=160, alt=self.image)]
        rows = [
            gallery(column.layer.name, [*map(_map_figure, column.maps, column.units, column.responses)])
            for column in self.columns
        ]
        return gallery(f"{self.image} in {self.network}", shown) + "".join(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """One of the images to which a unit responds most strongly.

    Attributes:
        rank: 1 for the largest response.
        image: the image's id.
        response: α of this unit for this image.
        label: the image's labels, joined by commas; empty if there are none.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``; None if the file can't be read.
        map: the unit's activation map, float32 ``[row, column]``; None if it was not computed.
    """

    rank: int
    image: str
    response: float
    label: str
    picture: NDArray[np.uint8] | None = None
    map: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ExemplarSheet(Result):
    """A unit and its exemplars, largest response first, or lowest first (paper, figure 2)."""

    kind: ClassVar[str] = "exemplars"

    network: str
    layer: Layer
    unit: int
    exemplars: tuple[Exemplar, ...]
    lowest: bool = False

    def values(self) -> Values:
        """Return plain values, without pictures and maps; docs/commands/exemplars.md lists the keys."""
        rows = [{name: getattr(one, name) for name in ("rank", "image", "response", "label")} for one in self.exemplars]
        return {
            "network": self.network,
            "layer": self.layer.name,
            "unit": self.unit,
            "exemplars": rows,
            "lowest": self.lowest,
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the sheet that has these `values`, without pictures and maps."""
        name, exemplars = values["layer"], tuple(Exemplar(**row) for row in values["exemplars"])
        layer = layers_by_name(values, [name])[name]
        return cls(values["network"], layer, values["unit"], exemplars, values["lowest"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return one row per exemplar."""
        rows = pd.DataFrame(self.values()["exemplars"], columns=["rank", "image", "response", "label"])
        return {f"{self.layer.display_name}: unit {self.unit}": rows}

    def _repr_html_(self) -> str:
        figures = [
            figure(
                "" if one.picture is None else overlay_uri(one.picture, one.map),
                f"{one.rank}: α {one.response:.3g} {one.label}",
                side=160,
                alt=one.image,
            )
            for one in self.exemplars
        ]
        return gallery(f"{self.layer.name}:{self.unit} of {self.network}", figures)


@dataclass(frozen=True, slots=True, eq=False)
class RuleImage:
    """An image of a rule: one given by itself, or one of a given class.

    Attributes:
        group: the image or class as given by the user.
        image: the image's id or path.
        excluded: whether the rule excludes the units of this image.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``; None if the file can't be read.
    """

    group: str
    image: str
    excluded: bool
    picture: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, eq=False)
class RuleRow:
    """One unit found by a rule.

    Attributes:
        unit: the channel.
        note: further facts, one per line.
        responses: α of the unit for each image of the rule, ``[image]``.
        maps: the unit's activation map for each image, float32 ``[row, column]``; None if the file can't be read.
        exemplars: the unit's first exemplars in the atlas.
    """

    unit: int
    note: tuple[str, ...]
    responses: tuple[float, ...]
    maps: tuple[NDArray[np.float32] | None, ...]
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RuleSheet:
    """The units found by a rule, with their maps for the rule's images (paper, figure 4).

    Attributes:
        title: the rule in words.
        note: the result in words: the number of units, and the number expected by chance.
        network: the network's reference.
        layer: the layer of the units.
        images: the images shown, in the order given by the user.
        rows: the first of the units found, largest response first.
    """

    title: str
    note: str
    network: str
    layer: Layer
    images: tuple[RuleImage, ...]
    rows: tuple[RuleRow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedMap:
    """A picture, clean or perturbed, and a unit's activation map for it.

    Attributes:
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``.
        map: the unit's activation map, float32 ``[row, column]``.
        response: α, the mean of the map.
        correlation: correlation with the map of the clean image over positions; NaN if either map is constant.
    """

    picture: NDArray[np.uint8]
    map: NDArray[np.float32]
    response: float
    correlation: float


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedImage:
    """One image, clean and after each perturbation."""

    image: str
    clean: PerturbedMap
    changed: tuple[PerturbedMap, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedUnit:
    """A unit and its exemplars before and after perturbation, largest response first."""

    layer: Layer
    unit: int
    images: tuple[PerturbedImage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedSheet:
    """Units before and after perturbations, each given as name and value, such as noise and σ (paper, figure 7)."""

    network: str
    perturbations: tuple[tuple[str, float], ...]
    units: tuple[PerturbedUnit, ...]


@dataclass(frozen=True, slots=True, eq=False)
class InhibitionExample:
    """One image and an inhibitory unit's activation map for it.

    Attributes:
        image: the image's id.
        label: the image's labels, joined by commas.
        has_concept: whether the image shows the concept.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``; None if the file can't be read.
        map: the unit's activation map, float32 ``[row, column]``; None if the file can't be read.
        mask: the share of each pixel that the concept covers, float32 ``[row, column]``; None if unknown.
        note: the measured values, in words.
    """

    image: str
    label: str
    has_concept: bool
    picture: NDArray[np.uint8] | None
    map: NDArray[np.float32] | None
    mask: NDArray[np.float32] | None
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class InhibitedUnit:
    """An inhibitory unit, a summary of its effect in words, and example images."""

    unit: int
    note: str
    examples: tuple[InhibitionExample, ...]


@dataclass(frozen=True, slots=True, eq=False)
class InhibitionSheet:
    """The most inhibitory units of a layer for a concept (paper, figure 3); ``by`` as in `Inhibition`."""

    network: str
    layer: Layer
    concept: str
    by: str
    units: tuple[InhibitedUnit, ...]


def _map_figure(map_: NDArray[np.float32], unit: int, response: float) -> str:
    return figure(map_uri(map_), f"{unit}: α {response:.3g}", side=64)
