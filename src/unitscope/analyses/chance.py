"""Overlap of random selections, the null distribution for shared units.

In: sizes of selections, the number of units. Out: expected numbers and exact tail probabilities, as floats.
Null hypothesis: each selection is a random subset of its size of a layer's units, independent of the others.
"""

from collections import Counter
from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln


def expected_overlap(sizes: Sequence[int], units: int) -> float:
    """Return the expected size of the intersection of random sets, ``N·Π(n_i/N)``."""
    return units * prod(size / units for size in sizes)


def overlap_tail(sizes: Sequence[int], units: int, observed: int) -> float:
    """Return the exact probability that random sets of these sizes share at least ``observed`` units.

    If the sets so far share j units, the number that is also in the next set, of size n, is hypergeometric (N, j, n).
    The distribution is propagated from set to set, smallest first. The complement of a set has size N - n.
    """
    if observed <= 0:
        return 1.0
    first, *others = sorted(sizes)
    shared = np.arange(first + 1)
    chance = (shared == first).astype(np.float64)
    for size in others:
        before = np.flatnonzero(chance)
        chance = stats.hypergeom.pmf(shared[:, None], units, before[None], size) @ chance[before]
    return min(float(chance[observed:].sum()), 1.0)


def support_tails(sizes: Sequence[int], units: int) -> NDArray[np.float64]:
    """Return, for each k from 0 to the number of sets, the probability that a given unit is in at least k sets.

    The number of sets that contain it is Poisson-binomial with probabilities n_i/N: the sum of one binomial variable
    for each distinct size (Wang, 1993).
    """
    chance = np.ones(1)
    for size, count in sorted(Counter(sizes).items()):
        chance = np.convolve(chance, stats.binom.pmf(np.arange(count + 1), count, size / units))
    tails: NDArray[np.float64] = np.minimum(np.cumsum(chance[::-1])[::-1], 1.0)
    return tails


def support_bound(tail: float, units: int, observed: int) -> float:
    """Return an upper bound of the probability that at least ``observed`` units have such a support, ``C(N,m)·q^m``.

    ``q`` is the tail of one unit from `support_tails`. In sets of fixed size, units are negatively associated, so m
    given units all have that support with a probability of at most q^m (Joag-Dev and Proschan, 1983).
    """
    if observed == 0 or tail == 0:
        return float(observed == 0)
    ways = gammaln(units + 1) - gammaln(observed + 1) - gammaln(units - observed + 1)
    return float(np.exp(min(ways + observed * np.log(tail), 0.0)))
