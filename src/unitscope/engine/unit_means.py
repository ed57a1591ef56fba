"""Means of units' responses over images, which rank the units for a removal from all images.

In: responses, batch by batch. Out: `UnitMeans`. Images are added one by one, so that batches of any size give the same
sums, bit for bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class UnitMeans:
    """Means over images, float64 ``[unit]``; 0 for a unit without responses.

    Attributes:
        response: the mean of α.
        magnitude: the mean of ``|α|``, which is zero if and only if every response is; None if it is unknown.
    """

    response: Floats
    magnitude: Floats | None


class UnitSums:
    """Sums of the responses of some units, over the images added so far; NaN is a missing value."""

    def __init__(self, units: int) -> None:
        self.sums, self.sizes, self.count = np.zeros(units), np.zeros(units), np.zeros(units, np.int64)

    def add(self, responses: NDArray[Any]) -> None:
        """Add responses ``[image, unit]``."""
        known = np.isfinite(responses)
        for row in np.where(known, responses, 0).astype(np.float64):
            self.sums += row
            self.sizes += np.abs(row)
        self.count += known.sum(0)

    @property
    def means(self) -> UnitMeans:
        """The means over the images added so far."""
        count = np.maximum(self.count, 1)
        return UnitMeans(self.sums / count, self.sizes / count)
