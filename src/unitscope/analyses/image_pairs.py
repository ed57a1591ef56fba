"""Cosines over all pairs of images of two groups: exact mean and standard deviation.

In: `ImageGroup` values. Out: `Pairs`. All sums are float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.cosines import Matrix, unit_vectors
from unitscope.analyses.image_groups import ImageGroup
from unitscope.notebook import short_repr
from unitscope.results import Values


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Cosines over all pairs of different images, one from each of two groups.

    Images without a cosine, whose responses are all zero, are left out. Within one group, each pair counts once.

    Attributes:
        mean: mean cosine, float64 ``[group, group]``; NaN if there are no pairs.
        std: standard deviation over the pairs, float64 ``[group, group]``; NaN for fewer than two.
        count: number of pairs, int64 ``[group, group]``.
    """

    mean: Matrix
    std: Matrix
    count: NDArray[np.int64]

    __repr__ = short_repr

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the pairs of a stored `Similarity`."""
        mean, std = (np.array(values[name], np.float64) for name in ("mean", "std"))
        return cls.of(mean, std, np.array(values["count"], np.int64))

    @classmethod
    def of(cls, mean: Matrix, std: Matrix, count: NDArray[np.int64]) -> Self:
        """Return statistics without the deviation of a single pair, which is no measure of spread."""
        return cls(mean, np.where(count > 1, std, np.nan), count)


@dataclass(frozen=True, slots=True, eq=False)
class _UnitVectors:
    """The images of a group as vectors of length 1.

    ``root`` is the R factor of these vectors with a column of ones appended, so RᵀR is the same as for the vectors.
    Sums of squares over pairs, ‖R_a R_bᵀ‖², then need at most as many rows as there are units, even for large classes.
    """

    images: frozenset[str]
    total: Matrix
    root: Matrix

    @classmethod
    def of(cls, group: ImageGroup) -> "_UnitVectors":
        vectors = unit_vectors(group.responses)
        valid = np.flatnonzero(~np.isnan(vectors[:, 0]))
        vectors = vectors[valid]
        root: Any = np.column_stack([vectors, np.ones(len(vectors))])
        if len(root) > root.shape[1]:
            root = np.linalg.qr(root, mode="r")
        return cls(frozenset(group.images[row] for row in valid), vectors.sum(0), root)

    def compare(self, other: "_UnitVectors") -> tuple[float, float, int]:
        """Return mean, standard deviation and number of the cosines between one image of each group."""
        same = len(self.images & other.images)  # pairs of an image with itself, whose cosine is 1
        count = len(self.images) * len(other.images) - same
        if not count:
            return np.nan, np.nan, 0
        mean = float(np.clip((self.total @ other.total - same) / count, -1, 1))
        from_mean = self.root[:, :-1] @ other.root[:, :-1].T - mean * np.outer(self.root[:, -1], other.root[:, -1])
        squares = np.square(from_mean).sum() - same * (1 - mean) ** 2
        return mean, float(np.sqrt(max(squares, 0) / count)), count


def pairs_of(groups: Sequence[ImageGroup]) -> Pairs:
    """Return exact statistics over pairs: the sum of their cosines is the product of two sums of unit vectors."""
    vectors = [_UnitVectors.of(group) for group in groups]
    mean, std = np.full((2, len(vectors), len(vectors)), np.nan)
    counts = np.zeros((len(vectors), len(vectors)), np.int64)
    for row, one in enumerate(vectors):
        for column, other in enumerate(vectors[: row + 1]):
            mean[row, column], std[row, column], count = one.compare(other)
            mean[column, row], std[column, row] = mean[row, column], std[row, column]
            counts[row, column] = counts[column, row] = count // 2 if row == column else count
    return Pairs.of(mean, std, counts)
