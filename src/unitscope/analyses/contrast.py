"""How unusual a unit's response to an image is: its contrast with the responses to all images of an atlas.

In: an atlas, and responses of one of its layers. Out: contrasts. By response alone, the same always-on units lead for
most images; by contrast, those that stand out for this one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.atlas import Atlas
from unitscope.text import count_noun
from unitscope.units import Layer

RESPONSE, CONTRAST = "response", "contrast"
_ROUNDING = 1e-6  # of a mean: units whose responses deviate by less are constant


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The responses of an atlas that others are compared with; `Atlas.units` has their means and deviations."""

    atlas: Atlas

    @property
    def name(self) -> str:
        """The atlas and the number of its images, in words."""
        return f"the {count_noun(len(self.atlas.readable), 'image')} of {self.atlas.path.name}"

    @property
    def exists(self) -> bool:
        """Whether any unit's responses deviate from their mean, so that there are contrasts."""
        return bool((self.atlas.units["std"] > 0).any())

    def contrasts(self, layer: Layer, responses: NDArray[Any]) -> NDArray[np.float64]:
        """Return ``(α - mean) / standard deviation`` over the atlas, float64 in the shape of ``responses [..., unit]``.

        NaN for units without a deviation, such as dead ones, which never stand out.

        Raises:
            LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        """
        rows = self.atlas.units_of(self.atlas.find(layer.name))
        mean, std = rows["mean"].to_numpy(np.float64), rows["std"].to_numpy(np.float64)
        varied = std > _ROUNDING * np.abs(mean)
        return np.where(varied, (responses - mean) / np.where(varied, std, 1), np.nan)


def top_by(values: NDArray[Any], top: int) -> NDArray[np.int64]:
    """Return the units of the highest values ``[unit]``, highest first; ties go to the lower unit, NaN is left out."""
    order = np.argsort(-values, kind="stable")[:top]
    known: NDArray[np.int64] = order[~np.isnan(values[order])]
    return known
