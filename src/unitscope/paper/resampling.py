"""Intervals for means over pairs of images, by resampling the images.

In: values of pairs ``[image, image]`` and the pairs to average. Out: the mean, and its value in each draw. Pairs that
share an image are not independent, so images are drawn, not pairs (Efron, 1979). A pair of an image with itself, which
a draw can contain, is left out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.paper.verdicts import Measured

DRAWS = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ImageDraws:
    """How often each image occurs: once in the first row, then in draws with replacement, ``[1 + draw, image]``."""

    counts: Floats

    @classmethod
    def of(cls, groups: NDArray[Any], *, draws: int = DRAWS, seed: int = 0) -> "ImageDraws":
        """Return draws in which each group of images keeps its size; ``groups`` has one number or name per image."""
        counts = np.ones((draws + 1, len(groups)))
        random = np.random.default_rng(seed)
        for group in dict.fromkeys(groups.tolist()):
            members = np.flatnonzero(groups == group)
            counts[1:, members] = random.multinomial(len(members), np.full(len(members), 1 / len(members)), draws)
        return cls(counts)

    def means(self, values: NDArray[Any], pairs: NDArray[np.bool_]) -> Floats:
        """Return the mean value over some pairs, for all images and for each draw; NaN where a draw has no pair.

        Args:
            values: one per pair, symmetric ``[image, image]``.
            pairs: the pairs to average, symmetric bool ``[image, image]``; False on the diagonal.
        """
        known = pairs & np.isfinite(values)
        sums = ((self.counts @ np.where(known, values, 0)) * self.counts).sum(1)
        count = ((self.counts @ known) * self.counts).sum(1)
        found: Floats = np.divide(sums, count, out=np.full(len(sums), np.nan), where=count > 0)
        return found


def interval_of(draws: Floats, images: int) -> Measured:
    """Return the number of all images with the 2.5 and 97.5 percentiles of the draws; NaN if draws lack a number."""
    if not np.isfinite(draws).all():
        return Measured(float(draws[0]), np.nan, np.nan, images)
    low, high = np.percentile(draws[1:], [2.5, 97.5])
    return Measured(float(draws[0]), float(low), float(high), images)
