"""The product of the summaries that a shard carries: one value, mergeable.

In: responses and image ids. Out: `Summary`.
Class sums are no part of it: a shard's may weigh more than its responses, from which they are made when shards merge.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unitscope.summaries.moments import Arrays, Moments
from unitscope.summaries.topk import Extremes

_UNITS_AT_ONCE = 512  # few enough to stay in a cache, and enough that threads seldom wait for Python


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """All that is remembered of some images' responses, besides the responses themselves."""

    moments: Moments
    extremes: Extremes

    @classmethod
    def empty(cls, units: int, *, k: int) -> Self:
        """Return the summary of no images; merging it changes nothing."""
        return cls(Moments.empty(units), Extremes.empty(units, k=k))

    @classmethod
    def of(cls, responses: NDArray[np.float32], images: NDArray[np.int64], *, k: int, threads: int = 1) -> Self:
        """Return the summary of responses ``[image, unit]``; images holds the ids ``[image]``."""
        starts = range(0, responses.shape[1], _UNITS_AT_ONCE)
        blocks = [responses[:, start : start + _UNITS_AT_ONCE] for start in starts]
        with ThreadPoolExecutor(threads) as pool:
            moments = [each.to_arrays() for each in pool.map(Moments.of, blocks)]
            extremes = list(pool.map(partial(Extremes.of, images=images, k=k), blocks))
        return cls(
            Moments.from_arrays({name: np.concatenate([m[name] for m in moments]) for name in moments[0]}),
            Extremes(
                np.concatenate([e.top for e in extremes], axis=1),
                np.concatenate([e.bottom for e in extremes], axis=1),
            ),
        )

    def merge(self, other: Self) -> Self:
        """Return the summary of both sets of images."""
        return type(self)(self.moments.merge(other.moments), self.extremes.merge(other.extremes))

    def to_arrays(self) -> Arrays:
        """Return all arrays by name."""
        return self.moments.to_arrays() | self.extremes.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the summary that `to_arrays` gave."""
        return cls(Moments.from_arrays(arrays), Extremes.from_arrays(arrays))
