"""The summaries of a shard as one value that can be merged.

In: responses and image ids. Out: `Summary`. Class sums are not part of it, since those of a shard can take more memory
than its responses; they are computed from the responses when shards are merged.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unitscope.summaries.moments import Arrays, Moments
from unitscope.summaries.peaks import Peaks
from unitscope.summaries.topk import Extremes

_BLOCK_UNITS = 512  # few enough to stay in the CPU's cache, enough that threads rarely wait for the GIL


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Moments and extremes of the responses to some images, and the peaks of their maps if they are known."""

    moments: Moments
    extremes: Extremes
    peaks: Peaks | None = None

    @classmethod
    def empty(cls, units: int, *, k: int, peaks: bool = False) -> Self:
        """Return the summary of no images, the identity of `merge`, with or without peaks."""
        return cls(Moments.empty(units), Extremes.empty(units, k=k), Peaks.empty(units, k=k) if peaks else None)

    @classmethod
    def of(
        cls,
        responses: NDArray[np.float32],
        images: NDArray[np.int64],
        *,
        k: int,
        threads: int = 1,
        peaks: tuple[NDArray[np.float32], NDArray[np.int32]] | None = None,
    ) -> Self:
        """Return the summary of responses ``[image, unit]``.

        Args:
            responses: α, NaN where it is missing.
            images: image ids ``[image]``, ascending.
            k: number of extremes and peaks.
            threads: number of threads.
            peaks: values and places of the maps' peaks, ``[image, unit]``; None if they are unknown.
        """
        starts = range(0, responses.shape[1], _BLOCK_UNITS)
        blocks = [responses[:, start : start + _BLOCK_UNITS] for start in starts]
        with ThreadPoolExecutor(threads) as pool:
            moments = [each.to_arrays() for each in pool.map(Moments.of, blocks)]
            extremes = list(pool.map(partial(Extremes.of, images=images, k=k), blocks))
            parts = [[each[:, start : start + _BLOCK_UNITS] for start in starts] for each in peaks or ()]
            found = list(pool.map(partial(Peaks.of, images=images, k=k), *parts)) if peaks else []
        return cls(
            Moments.from_arrays({name: np.concatenate([m[name] for m in moments]) for name in moments[0]}),
            Extremes(
                np.concatenate([e.top for e in extremes], axis=1),
                np.concatenate([e.bottom for e in extremes], axis=1),
            ),
            Peaks(*(np.concatenate([getattr(p, name) for p in found], 1) for name in ("keys", "places")))
            if found
            else None,
        )

    def merge(self, other: Self) -> Self:
        """Return the summary of both sets of images."""
        peaks = self.peaks.merge(other.peaks) if self.peaks and other.peaks else None
        return type(self)(self.moments.merge(other.moments), self.extremes.merge(other.extremes), peaks)

    def to_arrays(self) -> Arrays:
        """Return all arrays by name."""
        peaks = {} if self.peaks is None else self.peaks.to_arrays()
        return self.moments.to_arrays() | self.extremes.to_arrays() | peaks

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the summary from the arrays of `to_arrays`."""
        peaks = Peaks.from_arrays(arrays) if "peak_values" in arrays else None
        return cls(Moments.from_arrays(arrays), Extremes.from_arrays(arrays), peaks)
