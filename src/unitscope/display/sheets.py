"""What the eye is shown, as plain arrays: one image's structure, one unit's exemplars, the units of a rule.

In: nothing but values. Out: frozen data that the bridge fills (with torch) and figures and pages draw (without).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unitscope.display.html import figure, gallery, map_uri, overlay_uri
from unitscope.units import Layer


@dataclass(frozen=True, slots=True)
class Prediction:
    """One of an image's most probable classes: its number, name (the number where none is known), probability."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a picture, or to the network, before it looks.

    Attributes:
        removed: units whose maps are made zero, by layer.
        sigma: of Gaussian noise added to the picture as the network sees it, on the 0–1 scale.
        seed: of the noise.
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
        responses: their α, float32 ``[rank]``.
        maps: their activation maps, float32 ``[rank, row, column]``.
    """

    layer: Layer
    units: NDArray[np.int64]
    responses: NDArray[np.float32]
    maps: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Enlargement:
    """One unit's activation map, to be drawn large: float32 ``[row, column]``."""

    layer: Layer
    unit: int
    response: float
    map: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """What one image calls up in a network, layer by layer from shallow to deep (paper, algorithm 1).

    Attributes:
        network: the network's reference.
        image: the image's id or path.
        picture: the image as the network sees it (resized and cropped), uint8 ``[row, column, RGB]``.
        predictions: the most probable classes first; empty where the network is no classifier.
        columns: one a layer, shallow to deep.
        enlarged: maps to draw large beside the columns.
        probabilities: of all classes, float32 ``[class]``; None where the network is no classifier, or unknown.
    """

    network: str
    image: str
    picture: NDArray[np.uint8]
    predictions: tuple[Prediction, ...]
    columns: tuple[Column, ...]
    enlarged: tuple[Enlargement, ...] = ()
    probabilities: NDArray[np.float32] | None = None

    def _repr_html_(self) -> str:
        told = ", ".join(f"{one.name} {one.probability:.1%}" for one in self.predictions[:3])
        shown = [figure(overlay_uri(self.picture, None), told, side=160, alt=self.image)]
        rows = [
            gallery(column.layer.name, [*map(_map_figure, column.maps, column.units, column.responses)])
            for column in self.columns
        ]
        return gallery(f"{self.image} in {self.network}", shown) + "".join(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """One of the images that a unit responds to most.

    Attributes:
        rank: 1 for the greatest response.
        image: the image's id.
        response: α of this unit for this image.
        label: the image's labels, joined by commas; empty where there is none.
        picture: the image as the network sees it, uint8 ``[row, column, RGB]``; None if it can't be read any more.
        map: the unit's activation map, float32 ``[row, column]``; None where it was not computed.
    """

    rank: int
    image: str
    response: float
    label: str
    picture: NDArray[np.uint8] | None = None
    map: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ExemplarSheet:
    """A unit and its exemplars, greatest response first (paper, figure 2)."""

    network: str
    layer: Layer
    unit: int
    exemplars: tuple[Exemplar, ...]

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
class AskedImage:
    """An image that a rule was asked about, or one of a class that was.

    Attributes:
        subject: the image or class as it was asked for.
        image: the image's id or path.
        against: whether the units sought are those that it does *not* have.
        picture: the image as the network sees it, uint8 ``[row, column, RGB]``; None if it can't be read.
    """

    subject: str
    image: str
    against: bool
    picture: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True, eq=False)
class RuleRow:
    """One unit that a rule found.

    Attributes:
        unit: the channel.
        note: what else is known of it, a line each.
        responses: its α for each image asked about, ``[image]``.
        maps: its activation maps, float32 ``[row, column]``, parallel; None where the image can't be read.
        exemplars: the first few of its images in the atlas.
    """

    unit: int
    note: tuple[str, ...]
    responses: tuple[float, ...]
    maps: tuple[NDArray[np.float32] | None, ...]
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RuleSheet:
    """The units that a rule found, over the images it was asked about (paper, figure 4).

    Attributes:
        title: the question in words.
        note: the answer in words: how many units, how many by chance.
        network: the network's reference.
        images: the images shown, in the order of the question.
        rows: the first of the units found, greatest response first.
    """

    title: str
    note: str
    network: str
    layer: Layer
    images: tuple[AskedImage, ...]
    rows: tuple[RuleRow, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedMap:
    """What a unit makes of a picture.

    Attributes:
        picture: as the network sees it, uint8 ``[row, column, RGB]``.
        map: the unit's activation map, float32 ``[row, column]``.
        response: α, the map's mean.
        correlation: of the map with that of the clean picture, over positions; NaN where either is constant.
    """

    picture: NDArray[np.uint8]
    map: NDArray[np.float32]
    response: float
    correlation: float


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedImage:
    """One image, clean and after each of some perturbations."""

    image: str
    clean: PerturbedMap
    changed: tuple[PerturbedMap, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedUnit:
    """A unit's images of greatest response, the greatest first."""

    layer: Layer
    unit: int
    images: tuple[PerturbedImage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedSheet:
    """Units before and after some perturbations, each a name and a value such as noise and σ (paper, figure 7)."""

    network: str
    perturbations: tuple[tuple[str, float], ...]
    units: tuple[PerturbedUnit, ...]


@dataclass(frozen=True, slots=True, eq=False)
class InhibitionExample:
    """One image and what an inhibitory unit makes of it.

    Attributes:
        image: the image's id.
        label: its labels, joined by commas.
        has_concept: whether it shows the concept.
        picture: as the network sees it, uint8 ``[row, column, RGB]``; None if it can't be read any more.
        map: the unit's activation map, float32 ``[row, column]``; None with the picture.
        mask: how much of each pixel of the picture the concept covers, float32 ``[row, column]``; None where unknown.
        note: what was measured on it, in words.
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
    """An inhibitory unit, what was found of it in words, and images."""

    unit: int
    note: str
    examples: tuple[InhibitionExample, ...]


@dataclass(frozen=True, slots=True, eq=False)
class InhibitionSheet:
    """The most inhibitory units of a layer for a concept (paper, figure 3); by as in `Inhibition`."""

    network: str
    layer: Layer
    concept: str
    by: str
    units: tuple[InhibitedUnit, ...]


def _map_figure(map_: NDArray[np.float32], unit: int, response: float) -> str:
    return figure(map_uri(map_), f"{unit}: α {response:.3g}", side=64)
