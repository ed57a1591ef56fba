"""A unit's maps over images, clean and perturbed (paper, figure 7).

In: plain values and arrays. Out: `PerturbedSheet`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.units import Layer


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
    """A unit and its exemplars before and after perturbation, highest response first."""

    layer: Layer
    unit: int
    images: tuple[PerturbedImage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedSheet:
    """Units before and after perturbations, each given as name and value, such as noise and σ (paper, figure 7)."""

    network: str
    perturbations: tuple[tuple[str, float], ...]
    units: tuple[PerturbedUnit, ...]
