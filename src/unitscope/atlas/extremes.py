"""Which of a unit's extreme images are exemplars: an image without a response is none.

In: the rows and values of a unit's highest or lowest responses, and its range. Out: the rows, without silent images.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.summaries.topk import NO_IMAGE


@dataclass(frozen=True, slots=True)
class Activity:
    """How many images a unit responds to.

    Attributes:
        images: number of images with a response, zero or not.
        zeros: number of images with a response of exactly zero.
        low: the lowest response.
    """

    images: int
    zeros: int
    low: float

    @property
    def dead(self) -> bool:
        """Whether the unit has the response zero to every image."""
        return 0 < self.images == self.zeros

    def too_few(self, shown: int, wanted: int) -> int | None:
        """Return the number of images with a response above zero, if that is why fewer than ``wanted`` are shown."""
        return self.images - self.zeros if shown < min(wanted, self.images) and not self.dead else None


def without_silent(
    rows: NDArray[np.int64], values: NDArray[Any], low: Any, high: Any, *, lowest: bool
) -> NDArray[np.int64]:
    """Return the rows of extreme images, with -1 for those that are no exemplars.

    Where a unit is never negative, a response of zero is none, so such images are not among its highest. A unit whose
    responses are all zero has no lowest images either.

    Args:
        rows: rows of the images, ``[rank]`` or ``[rank, unit]``.
        values: their responses, likewise.
        low: the lowest response, of one unit or ``[unit]``.
        high: the highest response, likewise.
        lowest: whether these are the lowest responses.
    """
    never_negative = np.equal(low, 0)
    silent = never_negative & (np.equal(high, 0) if lowest else np.equal(values, 0))
    return np.where(silent, NO_IMAGE, rows)
