"""How often each unit is chosen whatever the image: a unit that is always on is shared by everybody.

In: an atlas, a layer, a way to choose units. Out: `BaseRate`, from a part of the atlas's images that is read fast.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.sampling import sample
from unitscope.analyses.selection import Selector
from unitscope.atlas import Atlas
from unitscope.errors import AtlasError
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class BaseRate:
    """The share of images in whose selection each unit is, float64 ``[unit]``, and how many images that rests on."""

    layer: Layer
    share: NDArray[np.float64]
    images: int


def base_rate(atlas: Atlas, layer: str | Layer, pick: Selector, *, seed: int = 0) -> BaseRate:
    """Return how often each unit of a layer is chosen, over at most 1,024 images from all over the atlas.

    Raises:
        AtlasError: if none of these images could be read.
        LayerError: if the atlas has no such layer.
    """
    found = atlas.find(layer)
    rows, responses = sample(atlas, found, seed=seed)
    if not len(rows):
        raise AtlasError(f"atlas '{atlas.path}' has no image that could be read")
    return BaseRate(found, pick.chosen(found, responses).mean(0), len(rows))
