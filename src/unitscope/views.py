"""What the eye is shown, as plain arrays: one image's structure, one unit's exemplars.

In: nothing but values. Out: frozen data that the bridge fills (with torch) and figures and pages draw (without).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.units import Layer


@dataclass(frozen=True, slots=True)
class Prediction:
    """One of an image's most probable classes: its number, name (the number where none is known), probability."""

    index: int
    name: str
    probability: float


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
    """

    network: str
    image: str
    picture: NDArray[np.uint8]
    predictions: tuple[Prediction, ...]
    columns: tuple[Column, ...]
    enlarged: tuple[Enlargement, ...] = ()


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
