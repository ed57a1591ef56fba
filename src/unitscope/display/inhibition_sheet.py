"""Inhibited units over images with a concept and without (paper, figure 3).

In: plain values and arrays. Out: `InhibitionSheet`.
"""

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from unitscope.display.html import first, gallery, overlay_figure
from unitscope.notebook import short_repr
from unitscope.units import Layer

_SHOWN, _IMAGES = 6, 8  # units, and images of each, in a notebook


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

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class InhibitedUnit:
    """An inhibitory unit, a summary of its effect in words, and example images."""

    unit: int
    note: str
    examples: tuple[InhibitionExample, ...]

    __repr__ = short_repr


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

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        title = f"{self.layer.display_name} of {self.network}: units inhibited by {self.concept}"
        return f"<div><b>{escape(title)}</b></div>" + first(self.units, _SHOWN, _unit_html)


def _unit_html(unit: InhibitedUnit) -> str:
    examples = [
        overlay_figure(one.picture, one.map, f"{'with' if one.has_concept else 'without'}: {one.note}", alt=one.image)
        for one in unit.examples[:_IMAGES]
    ]
    return gallery(f"unit {unit.unit}: {unit.note}", examples)
