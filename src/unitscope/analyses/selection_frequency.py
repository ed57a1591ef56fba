"""How often each unit is selected over all images: a unit that is always active is shared by any two images.

In: an atlas, a layer and a selector. Out: `BaseRate`, from a sample of the atlas's images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.sampling import sample
from unitscope.analyses.selection import Selector
from unitscope.atlas import Atlas
from unitscope.errors import AtlasError
from unitscope.notebook import short_repr
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class BaseRate:
    """The fraction of images that select each unit, float64 ``[unit]``, and the number of images."""

    layer: Layer
    share: NDArray[np.float64]
    images: int

    __repr__ = short_repr


def base_rate(atlas: Atlas, layer: str | Layer, selector: Selector, *, seed: int = 0) -> BaseRate:
    """Return how often each unit of a layer is selected, over a sample of at most 1,024 images of the atlas.

    Raises:
        AtlasError: if none of these images could be read.
        LayerError: if the atlas has no such layer.
    """
    found = atlas.find(layer)
    rows, responses = sample(atlas, found, seed=seed)
    if not len(rows):
        raise AtlasError(f"none of the images of atlas '{atlas.path}' could be read")
    return BaseRate(found, selector.mask(found, responses).mean(0), len(rows))
