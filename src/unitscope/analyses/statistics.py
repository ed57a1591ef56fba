"""Honest numbers beside every share and every difference: intervals, exact tests, corrections.

In: counts, samples, p-values. Out: floats. SciPy does the work; here is which test, and why it is the right one.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Interval = tuple[float, float]


def wilson(right: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share (Wilson, 1927): right also near 0, 1 and for few images."""
    found = stats.binomtest(right, total).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def mcnemar(gained: int, lost: int) -> float:
    """Return the exact two-sided p-value that as many answers turn right as turn wrong (McNemar, 1947).

    Only images that changed sides speak: under the null each is as likely to have gained as to have lost.
    """
    return float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected for their number so that any false finding is rare (Holm, 1979); NaN stays NaN."""
    given: NDArray[Any] = np.asarray(p_values, np.float64)
    corrected = given.copy()
    at = np.flatnonzero(np.isfinite(given))
    order = at[np.argsort(given[at], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return corrected


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected so that few of the findings are false (Benjamini and Hochberg, 1995); NaN stays NaN."""
    given: NDArray[Any] = np.asarray(p_values, np.float64)
    corrected = given.copy()
    at = np.isfinite(given)
    if at.any():
        corrected[at] = stats.false_discovery_control(given[at])
    return corrected
