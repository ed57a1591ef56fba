"""Sums of responses by class, for class means.

In: responses ``[image, unit]`` and each image's classes (none, one or many). Out: `ClassSums`, mergeable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unitscope.summaries.moments import Arrays


@dataclass(frozen=True, slots=True, eq=False)
class ClassSums:
    """Responses summed over the images of each class.

    Attributes:
        sums: float64 ``[class, unit]``.
        counts: how many responses each sum holds, int64 ``[class, unit]``.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int, *, classes: int) -> Self:
        """Return the sums of no images; merging them changes nothing."""
        return cls(np.zeros((classes, units)), np.zeros((classes, units), np.int64))

    @classmethod
    def of(cls, responses: NDArray[np.float32], members: Sequence[Sequence[int]], *, classes: int) -> Self:
        """Return the sums of responses ``[image, unit]``; members holds each image's class numbers."""
        total = cls.empty(responses.shape[1], classes=classes)
        total.add(responses, members)
        return total

    def add(self, responses: NDArray[np.float32], members: Sequence[Sequence[int]]) -> None:
        """Add more images in place: with many classes the sums are too large to copy for every shard."""
        for row, numbers in zip(responses, members, strict=True):
            present = np.isfinite(row)
            for number in numbers:
                self.sums[number] += np.where(present, row, 0)
                self.counts[number] += present

    def merge(self, other: Self) -> Self:
        """Return the sums over both sets of images."""
        return type(self)(self.sums + other.sums, self.counts + other.counts)

    def to_arrays(self) -> Arrays:
        """Return the arrays by name."""
        return {"class_sums": self.sums, "class_counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the sums that `to_arrays` gave."""
        return cls(arrays["class_sums"], arrays["class_counts"])  # type: ignore[arg-type]
