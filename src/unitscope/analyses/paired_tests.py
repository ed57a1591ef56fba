"""Paired differences, unit by unit: how one-sided they are, and how surely.

In: differences ``[image, unit]``. Out: a number a unit. Knows nothing of what was compared with what.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[Any]
Numbers = NDArray[np.float64]

_COUNTED_UP_TO, _EXACT_UP_TO = 13, 50
_AT_ONCE = 8_000_000  # sums of ranks held at once: 64 MB


def rank_biserial(differences: Values) -> Numbers:
    """Return the matched-pairs rank-biserial correlation of paired differences ``[image, unit]``, a number a unit.

    The ranks of the sizes of the positive differences minus those of the negative, by all ranks (Kerby, 2014); zeros
    have ranks too and speak for neither side, so a unit that is silent in most images can't reach 1.
    """
    ranks = stats.rankdata(np.abs(differences), axis=0)
    balance: Numbers = (np.sign(differences) * ranks).sum(0) / ranks.sum(0)
    return balance


def cohens_dz(differences: Values) -> Numbers:
    """Return the mean of paired differences ``[image, unit]`` by their standard deviation (Cohen, 1988, 2.3.5).

    NaN where all are the same.
    """
    spread = differences.std(0, ddof=1)
    by_spread: Numbers = np.full(len(spread), np.nan)
    np.divide(differences.mean(0), spread, out=by_spread, where=spread > 0)
    return by_spread


def signed_rank(differences: Values, alternative: Literal["less", "greater"]) -> Numbers:
    """Return one-sided p-values of Wilcoxon's (1945) signed-rank test of paired differences ``[image, unit]``.

    Ties share their mean rank; zeros are ranked with the rest and then speak for neither side (Pratt, 1959). Exact for
    up to 13 images, for up to 50 where a unit has neither zeros nor ties, else normal with corrections for ties and
    continuity. A unit without any difference, or with one that is not known, has 1.
    """
    if len(differences) <= _COUNTED_UP_TO:
        return _counted(differences if alternative == "less" else -differences)
    sizes = np.sort(np.abs(differences), axis=0)
    plain = (sizes[0] > 0) & (np.diff(sizes, axis=0) > 0).all(0) & (len(sizes) <= _EXACT_UP_TO)
    p_values = np.ones(differences.shape[1])
    for some, method in ((plain, "exact"), (~plain & (sizes[-1] > 0), "asymptotic")):
        if some.any():
            given = differences[:, some]
            p_values[some] = stats.wilcoxon(
                given, zero_method="pratt", correction=True, alternative=alternative, method=method, axis=0
            ).pvalue
    return p_values


def _counted(differences: Values) -> Numbers:
    """The share of all 2ⁿ ways to give the differences signs whose positive ranks sum up to no more than is seen.

    SciPy counts them too where there are ties or zeros, but way by way: a layer would take minutes.
    """
    count, units = differences.shape
    ways = ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(np.float64)
    ranks = stats.rankdata(np.abs(differences), axis=0) * (differences != 0)
    seen = (ranks * (differences > 0)).sum(0)
    p_values, step = np.empty(units), max(1, _AT_ONCE // len(ways))
    for start in range(0, units, step):
        some = slice(start, start + step)
        p_values[some] = 1 - (ways @ ranks[:, some] > seen[some]).mean(0)  # halves and their sums are exact
    return p_values
