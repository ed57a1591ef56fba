"""A unit's maps over images, clean and perturbed (paper, figure 7).

In: plain values and arrays. Out: `PerturbedSheet`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.display.html import first, gallery, overlay_figure
from unitscope.notebook import short_repr
from unitscope.units import Layer

_SHOWN, _IMAGES = 4, 3  # units, and images of each, in a notebook


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

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedImage:
    """One image, clean and after each perturbation."""

    image: str
    clean: PerturbedMap
    changed: tuple[PerturbedMap, ...]

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedUnit:
    """A unit and its exemplars before and after perturbation, highest response first."""

    layer: Layer
    unit: int
    images: tuple[PerturbedImage, ...]

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class PerturbedSheet:
    """Units before and after perturbations, each given as name and value, such as noise and σ (paper, figure 7)."""

    network: str
    perturbations: tuple[tuple[str, float], ...]
    units: tuple[PerturbedUnit, ...]

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        return first(self.units, _SHOWN, self._unit_html)

    def _unit_html(self, unit: PerturbedUnit) -> str:
        names = ["clean", *(f"{name} {value:g}" for name, value in self.perturbations)]
        figures = [
            overlay_figure(one.picture, one.map, f"{name}: α {one.response:.3g}", alt=image.image)
            for image in unit.images[:_IMAGES]
            for name, one in zip(names, (image.clean, *image.changed), strict=True)
        ]
        return gallery(f"{unit.layer.display_name}: unit {unit.unit} of {self.network}", figures)
