"""Inhibited units over images with a concept and without (paper, figure 3).

In: plain values and arrays. Out: `InhibitionSheet`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class InhibitionExample:
    """One image and an inhibitory unit's activation map for it.

    Attributes:
        image: the image's id.
        label: the image's labels, joined by commas.
        has_concept: whether the image shows the concept.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``; None if the file can't be read.
        map: the unit's activation map, float32 ``[row, column]``; None if the file can't be read.
        mask: the fraction of each pixel that the concept covers, float32 ``[row, column]``; None if unknown.
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
    """The most inhibitory units of a layer for a concept (paper, figure 3).

    Attributes:
        network: the network's name.
        layer: the layer.
        concept: the class or category.
        by: as in `Inhibition`.
        units: the units, the most inhibitory first.
        candidates: for a map contrast, the number of images with the concept from which each unit's were chosen.
    """

    network: str
    layer: Layer
    concept: str
    by: str
    units: tuple[InhibitedUnit, ...]
    candidates: int = 0
