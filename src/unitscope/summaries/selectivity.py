"""How selective units are for classes: a bounded index for responses of any sign, and d′.

In: class means ``[class, unit]`` and moments of the responses. Out: one number per unit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.summaries.classes import ClassSums

Floats = NDArray[np.float64]

MIN_IMAGES = 2
"""Minimum number of images of a class, in at least two classes, for an index to depend on the labels."""

_ROUNDING = 1e-6  # relative to the lowest response: responses are float32


def selectivity_index(means: Floats, lowest: NDArray[Any]) -> tuple[NDArray[np.int64], Floats]:
    """Return each unit's class with the highest mean, int64 ``[unit]``, and its selectivity index, from 0 to 1.

    The index is ``(μ_max - μ_rest) / (μ_max + μ_rest - 2m)``, where μ_rest is the mean of the other classes' means and
    m is the unit's lowest response or 0, whichever is lower. For responses that are never negative it is the class
    selectivity index of Morcos et al. (2018), which has no m and no bounds for others. It is 0 if all classes have the
    same mean, and 1 if the other classes' images all have the lowest response. NaN if fewer than two classes have a
    mean, or all means equal m.

    Args:
        means: mean responses, NaN where unknown, ``[class, unit]``.
        lowest: each unit's lowest response, ``[unit]``.
    """
    finite = np.isfinite(means)
    known = finite.sum(0)
    best = np.where(finite, means, -np.inf).argmax(0)
    greatest = np.take_along_axis(means, best[None], 0)[0]
    rest = (np.where(finite, means, 0).sum(0) - greatest) / np.maximum(known - 1, 1)
    floor = np.minimum(lowest, 0.0)
    scale = greatest + rest - 2 * floor
    with np.errstate(invalid="ignore"):
        valid = (known > 1) & (scale > _ROUNDING * np.abs(floor))
    index = np.full(len(best), np.nan)
    np.divide(greatest - rest, scale, out=index, where=valid)
    return best, np.clip(index, 0, 1)


def d_prime(class_mean: Floats, images: NDArray[Any], *, mean: Floats, std: Floats, count: NDArray[Any]) -> Floats:
    """Return the d′ between a class and all other images, one per unit: the difference of means in standard deviations.

    The standard deviation is that within the two groups, pooled (Green and Swets, 1966). It follows from the moments of
    all responses, as these vary within and between the groups. NaN if it is zero or there are no other images.

    Args:
        class_mean: mean response to the class, ``[unit]``.
        images: number of its responses, ``[unit]``.
        mean: mean of all responses, ``[unit]``.
        std: their population standard deviation, ``[unit]``.
        count: their number, ``[unit]``.
    """
    others = count - images
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = class_mean - (count * mean - images * class_mean) / others
        within = count * std**2 - images * others / count * difference**2
        spread = np.sqrt(within / (count - 2))
        known = (others > 0) & (count > 2) & (within > _ROUNDING**2 * count * mean**2)
        return np.where(known, difference / np.where(known, spread, 1), np.nan)  # type: ignore[no-any-return]


def can_depend_on_labels(sums: ClassSums) -> NDArray[np.bool_]:
    """Return for each unit whether at least two classes have `MIN_IMAGES` responses.

    With one image a class, any labels give the same index.
    """
    return (sums.counts >= MIN_IMAGES).sum(0) > 1  # type: ignore[no-any-return]
