"""Sparsity indices of responses: Gini, Hoyer, and Treves and Rolls.

In: responses along one axis, or their moments. Out: indices.
Over the units for one image they measure population sparseness, over the images for one unit lifetime sparseness.

The indices are defined for responses that are not negative. For others (SiLU, GELU) the absolute value |α| is used, so
that a response far below zero counts as a strong one. NaN and infinite responses are ignored. If all responses are
zero, the index is NaN. No index changes when all responses are multiplied by the same factor.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.float64]


def zero_fraction(responses: ArrayLike, axis: int = -1) -> Indices:
    """Return the fraction of responses that are exactly zero."""
    given = np.asarray(responses)
    return _divide((given == 0).sum(axis), _count(given, axis))


def gini(responses: ArrayLike, axis: int = -1) -> Indices:
    """Return the Gini index: 0 if all responses are equal, 1 - 1/n if only one of n is not zero.

    For sizes c₁ ≤ … ≤ cₙ it is 1 - 2 Σₖ (cₖ / Σc) (n - k + ½) / n (Hurley and Rickard, 2009), which is half the mean
    difference of all pairs divided by the mean.

    Examples:
        >>> gini([[1, 1, 1, 1], [0, 0, 0, 5]])
        array([0.  , 0.75])
    """
    ordered = np.sort(np.abs(np.moveaxis(np.asarray(responses), axis, -1)), axis=-1)  # infinity and NaN are last
    count = _count(ordered, -1)
    sizes = _numbers(ordered)
    above = count[..., None] - np.arange(sizes.shape[-1]) - 0.5
    return np.clip(1 - 2 * _divide((sizes * above).sum(-1), count * sizes.sum(-1)), 0, 1)


def hoyer(responses: ArrayLike, axis: int = -1) -> Indices:
    """Return Hoyer's sparseness: 0 if all responses are equal, 1 if only one is not zero; NaN for a single response.

    It is (√n - L1/L2) / (√n - 1) (Hoyer, 2004).

    Examples:
        >>> hoyer([[1, 1, 1, 1], [0, 0, 0, 5]])
        array([0., 1.])
    """
    return hoyer_from_treves_rolls(treves_rolls(responses, axis), _count(np.asarray(responses), axis))


def treves_rolls(responses: ArrayLike, axis: int = -1) -> Indices:
    """Return Treves and Rolls's ratio a: 1 if all responses are equal, 1/n if only one is not zero. *Less* is sparser.

    It is (Σ|α|/n)² / (Σα²/n) (Treves and Rolls, 1991); Vinje and Gallant's sparseness (2000) is (1 - a) / (1 - 1/n).
    """
    sizes = _numbers(np.abs(np.asarray(responses)))
    count = _count(np.asarray(responses), axis)
    return _at_most_one(_divide(sizes.sum(axis) ** 2, count * np.square(sizes).sum(axis)))


def treves_rolls_from_moments(mean: ArrayLike, std: ArrayLike) -> Indices:
    """Return Treves and Rolls's ratio of responses with one sign, from their mean and population standard deviation."""
    square = np.square(np.asarray(mean, np.float64))
    return _at_most_one(_divide(square, square + np.square(np.asarray(std, np.float64))))


def hoyer_from_treves_rolls(ratio: ArrayLike, count: ArrayLike) -> Indices:
    """Return Hoyer's sparseness of ``count`` responses from their Treves-Rolls ratio: L1/L2 is √(n a)."""
    root = np.sqrt(np.asarray(count, np.float64))
    return _divide(root * (1 - np.sqrt(np.asarray(ratio, np.float64))), root - 1)


def _numbers(sizes: NDArray[Any]) -> Indices:
    """Return sizes in float64, with 0 for those that are not finite."""
    return np.where(np.isfinite(sizes), sizes, 0).astype(np.float64)


def _count(responses: NDArray[Any], axis: int) -> NDArray[np.int64]:
    return np.asarray(np.isfinite(responses).sum(axis))


def _divide(above: ArrayLike, below: ArrayLike) -> Indices:
    """Return a quotient, NaN where the denominator is 0."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)  # type: ignore[no-any-return]


def _at_most_one(ratio: Indices) -> Indices:
    return np.minimum(ratio, 1)
