"""Confidence intervals, exact tests and corrections for multiple testing.

In: counts, samples, p-values. Out: floats. SciPy computes them; this module documents which test is used and why.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Interval = tuple[float, float]


def wilson(successes: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a proportion (Wilson, 1927), valid also near 0 and 1 and for few images."""
    found = stats.binomtest(successes, total).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (1947) that as many predictions become right as wrong.

    Only images whose correctness changed count; under the null hypothesis both directions are equally likely.

    Examples:
        >>> mcnemar(gained=0, lost=5)
        0.0625
    """
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected to control the family-wise error rate (Holm, 1979); NaN stays NaN."""
    given: NDArray[Any] = np.asarray(p_values, np.float64)
    corrected = given.copy()
    known = np.flatnonzero(np.isfinite(given))
    order = known[np.argsort(given[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return corrected


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected to control the false discovery rate (Benjamini and Hochberg, 1995); NaN stays NaN."""
    given: NDArray[Any] = np.asarray(p_values, np.float64)
    corrected = given.copy()
    known = np.isfinite(given)
    if known.any():
        corrected[known] = stats.false_discovery_control(given[known])
    return corrected
