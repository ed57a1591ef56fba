"""Sums of responses by class, for class means.

In: responses ``[image, unit]`` and each image's classes (none, one or several). Out: `ShardClassSums` for a shard,
which usually has few of the classes, and `ClassSums`, their total over all classes.
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
        counts: number of responses in each sum, int64 ``[class, unit]``.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int, *, classes: int) -> Self:
        """Return the sums over no images."""
        return cls(np.zeros((classes, units)), np.zeros((classes, units), np.int64))

    @classmethod
    def of(cls, responses: NDArray[np.float32], class_numbers: Sequence[Sequence[int]], *, classes: int) -> Self:
        """Return the sums of responses ``[image, unit]``; ``class_numbers`` lists each image's class numbers."""
        total = cls.empty(responses.shape[1], classes=classes)
        total.add(ShardClassSums.of(responses, class_numbers))
        return total

    def add(self, some: "ShardClassSums") -> None:
        """Add the sums of some classes in place: with many classes the totals are too large to copy per shard."""
        self.sums[some.numbers] += some.sums
        self.counts[some.numbers] += some.counts

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean response of each unit to each class, float64 ``[class, unit]``; NaN where there is no response."""
        nothing = np.full(self.sums.shape, np.nan)
        return np.divide(self.sums, self.counts, out=nothing, where=self.counts > 0)  # type: ignore[no-any-return]

    def to_arrays(self) -> Arrays:
        """Return the arrays by name, as an atlas stores them."""
        return {"class_sums": self.sums, "class_counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the sums from the arrays of `to_arrays`."""
        return cls(arrays["class_sums"], arrays["class_counts"])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class ShardClassSums:
    """Responses summed by class, for the classes that occur in some images.

    Attributes:
        numbers: class numbers, int64 ``[class]``, ascending.
        sums: float64 ``[class, unit]``.
        counts: int64 ``[class, unit]``.
    """

    numbers: NDArray[np.int64]
    sums: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int) -> Self:
        """Return the sums for no classes."""
        return cls(np.zeros(0, np.int64), np.zeros((0, units)), np.zeros((0, units), np.int64))

    @classmethod
    def of(cls, responses: NDArray[np.float32], class_numbers: Sequence[Sequence[int]]) -> Self:
        """Return the sums of responses ``[image, unit]``; ``class_numbers`` lists each image's class numbers."""
        rows: dict[int, list[int]] = {}
        for row, (_, numbers) in enumerate(zip(responses, class_numbers, strict=True)):
            for number in numbers:
                rows.setdefault(number, []).append(row)
        if not rows:
            return cls.empty(responses.shape[1])
        each = [_summed(responses[rows[number]]) for number in sorted(rows)]
        return cls(np.array(sorted(rows)), np.stack([sums for sums, _ in each]), np.stack([n for _, n in each]))


def _summed(responses: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    present = np.isfinite(responses)
    return np.where(present, responses, 0).sum(0, dtype=np.float64), present.sum(0)
