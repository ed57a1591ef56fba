"""How stable a unit's preferences are: two random halves of the images compared.

In: a unit's responses and the labelled images. Out: `SplitHalf`.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from unitscope.analyses.shuffled_labels import LabelledGroups

SPLITS, EXEMPLARS, SEED = 20, 9, 0
_MIN_CLASSES = 3  # for a correlation

Floats = NDArray[np.float64]
Picked = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SplitHalf:
    """Agreement between two halves of the images, as means over 20 random splits; None where it can't be told.

    Near-duplicates with equal labels count as one image, so they are never in both halves.

    Attributes:
        classes: number of classes with two or more distinct images; the others are left out.
        class_means: Spearman's rank correlation (1904) between the class means of the halves.
        same_class: share of the splits in which the same class has the highest mean in both halves.
        exemplars: share of the pairs of an exemplar in one half and one in the other, of nine each, that have a label
            in common.
        random_images: the same for pairs of random images.
    """

    classes: int
    class_means: float | None
    same_class: float | None
    exemplars: float | None
    random_images: float | None

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Self:
        """Return the agreement that has these `values`."""
        return cls(**values)

    @property
    def note(self) -> str:
        """The agreement in words."""
        if self.same_class is None or self.exemplars is None or self.random_images is None:
            return "preferences can't be told from halves of the images: fewer than two classes have two distinct ones"
        means = "" if self.class_means is None else f"class means correlate by {self.class_means:.2f}, "
        return (
            f"between random halves of the images {means}the class with the highest mean is the same in "
            f"{self.same_class:.0%} of {SPLITS} splits, and {self.exemplars:.0%} of pairs of exemplars have a common "
            f"label ({self.random_images:.0%} of random images)"
        )


def split_half(responses: NDArray[np.float32], groups: LabelledGroups) -> SplitHalf:
    """Return the agreement between halves for one unit.

    Args:
        responses: to the images of ``groups``, float32 ``[image]``; NaN is left out.
        groups: the labelled images.
    """
    known = np.isfinite(responses)
    sums = groups.members @ np.where(known, responses, 0).astype(np.float64)
    counts = groups.members @ known.astype(np.float64)
    present = counts > 0
    classes = groups.classes[:, present]
    classes = classes[np.diff(classes.indptr) > 1]
    if classes.shape[0] < 2:
        return SplitHalf(classes.shape[0], None, None, None, None)
    rng, values = np.random.default_rng(SEED), sums[present] / counts[present]
    found = [_compare(values, counts[present], classes, rng) for _ in range(SPLITS)]
    correlations, same, exemplars, chance = (
        float(np.nanmean(each)) if np.isfinite(each).any() else None for each in np.array(found, np.float64).T
    )
    return SplitHalf(classes.shape[0], correlations, same, exemplars, chance)


def _compare(values: Floats, counts: Floats, classes: sparse.csr_array, rng: np.random.Generator) -> list[float]:
    """Return the four numbers of one split; NaN where they are unknown."""
    first = np.zeros(len(values), bool)
    first[rng.permutation(len(values))[: len(values) // 2]] = True
    halves = (first, ~first)
    means = np.stack([_class_means(values, counts, classes, half) for half in halves])
    means = means[:, np.isfinite(means).all(0)]
    if means.shape[1] < 2:
        return [np.nan] * 4
    ranked = means.shape[1] >= _MIN_CLASSES and (np.ptp(means, axis=1) > 0).all()
    top = [np.flatnonzero(half)[np.argsort(-values[half], kind="stable")[:EXEMPLARS]] for half in halves]
    drawn = [rng.choice(np.flatnonzero(half), len(some), replace=False) for half, some in zip(halves, top, strict=True)]
    return [
        stats.spearmanr(*means).statistic if ranked else np.nan,
        float(means[0].argmax() == means[1].argmax()),
        _common_labels(classes, *top),
        _common_labels(classes, *drawn),
    ]


def _class_means(values: Floats, counts: Floats, classes: sparse.csr_array, half: Picked) -> Floats:
    """Return the mean response to each class over the images of a half; NaN for classes without any."""
    images = classes @ (counts * half)
    means: Floats = np.full(len(images), np.nan)
    np.divide(classes @ (values * counts * half), images, out=means, where=images > 0)
    return means


def _common_labels(classes: sparse.csr_array, one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    return float(((classes[:, one].T @ classes[:, other]).toarray() > 0).mean())
