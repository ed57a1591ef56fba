"""Effect sizes and tests of paired differences, for each unit.

In: differences ``[image, unit]``. Out: one number per unit. Independent of what is compared.
"""

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[Any]
Numbers = NDArray[np.float64]

_EXACT_UP_TO = 50


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

    Zeros are left out: they say nothing about a direction. Ties share their mean rank. The test is exact for units with
    up to 50 differences that are not zero, with or without ties; otherwise it is a normal approximation, corrected for
    ties and continuity. The p-value is 1 if all differences are zero or one is NaN.
    """
    signed = np.asarray(differences if alternative == "less" else -differences, np.float64)
    return np.array([_lower_tail(unit[unit != 0]) for unit in signed.T])


def _lower_tail(differences: Numbers) -> float:
    """Return the probability of a sum of positive ranks that is at most the observed sum."""
    if not len(differences) or np.isnan(differences).any():
        return 1.0
    ranks = stats.rankdata(np.abs(differences))
    observed = float(ranks[differences > 0].sum())
    if len(ranks) > _EXACT_UP_TO:
        return _normal_tail(ranks, observed)
    doubled = tuple(np.sort(2 * ranks).astype(int).tolist())  # mean ranks of ties may be halves
    return float(_tails(doubled)[round(2 * observed)])


@lru_cache(maxsize=256)
def _tails(ranks: tuple[int, ...]) -> Numbers:
    """Return for each s the share of the 2ⁿ assignments of signs whose positive ranks sum to at most s.

    Counts of assignments are exact, since 2⁵⁰ fits into a float64.
    """
    counts = np.zeros(sum(ranks) + 1)
    counts[0] = 1
    for rank in ranks:
        counts[rank:] += counts[:-rank].copy()
    return np.cumsum(counts) / 2.0 ** len(ranks)


def _normal_tail(ranks: Numbers, observed: float) -> float:
    """Return the same probability by the normal approximation; ties make Σ ranks², and so the variance, smaller."""
    distance = (observed + 0.5 - ranks.sum() / 2) / np.sqrt((ranks**2).sum() / 4)
    return float(stats.norm.cdf(distance))
