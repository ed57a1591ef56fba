"""Effect sizes and tests of paired differences, for each unit.

In: differences ``[image, unit]``. Out: one number per unit. Independent of what is compared.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[Any]
Numbers = NDArray[np.float64]

_COUNTED_UP_TO, _EXACT_UP_TO = 13, 50
_BLOCK = 8_000_000  # sums of ranks in memory at once: 64 MB


def rank_biserial(differences: Values) -> Numbers:
    """Return the matched-pairs rank-biserial correlation of paired differences ``[image, unit]``, one per unit.

    It is the sum of the ranks (by size) of the positive differences minus that of the negative ones, divided by the sum
    of all ranks (Kerby, 2014). Zeros have ranks but count for neither side, so units that are zero for most images
    can't reach 1.
    """
    ranks = stats.rankdata(np.abs(differences), axis=0)
    balance: Numbers = (np.sign(differences) * ranks).sum(0) / ranks.sum(0)
    return balance


def cohens_dz(differences: Values) -> Numbers:
    """Return the mean of paired differences ``[image, unit]`` divided by their standard deviation.

    See Cohen (1988, 2.3.5). NaN if all differences are equal.
    """
    spread = differences.std(0, ddof=1)
    by_spread: Numbers = np.full(len(spread), np.nan)
    np.divide(differences.mean(0), spread, out=by_spread, where=spread > 0)
    return by_spread


def signed_rank(differences: Values, alternative: Literal["less", "greater"]) -> Numbers:
    """Return one-sided p-values of Wilcoxon's (1945) signed-rank test of paired differences ``[image, unit]``.

    Ties share their mean rank. Zeros are ranked with the rest but count for neither side (Pratt, 1959). The test is
    exact for up to 13 images, and for up to 50 if a unit has neither zeros nor ties; otherwise it is a normal
    approximation, corrected for ties and continuity. The p-value is 1 if all differences are zero or one is NaN.
    """
    if len(differences) <= _COUNTED_UP_TO:
        return _counted(differences if alternative == "less" else -differences)
    sizes = np.sort(np.abs(differences), axis=0)
    distinct = (sizes[0] > 0) & (np.diff(sizes, axis=0) > 0).all(0) & (len(sizes) <= _EXACT_UP_TO)
    p_values = np.ones(differences.shape[1])
    for some, method in ((distinct, "exact"), (~distinct & (sizes[-1] > 0), "asymptotic")):
        if some.any():
            given = differences[:, some]
            p_values[some] = stats.wilcoxon(
                given, zero_method="pratt", correction=True, alternative=alternative, method=method, axis=0
            ).pvalue
    return p_values


def _counted(differences: Values) -> Numbers:
    """Return the fraction of all 2ⁿ assignments of signs whose positive ranks sum to at most the observed sum.

    SciPy's permutation test does this too if there are ties or zeros, but takes minutes for a layer.
    """
    count, units = differences.shape
    signs = ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).astype(np.float64)
    ranks = stats.rankdata(np.abs(differences), axis=0) * (differences != 0)
    observed = (ranks * (differences > 0)).sum(0)
    p_values, step = np.empty(units), max(1, _BLOCK // len(signs))
    for start in range(0, units, step):
        some = slice(start, start + step)
        p_values[some] = 1 - (signs @ ranks[:, some] > observed[some]).mean(0)  # halves and their sums are exact
    return p_values
