"""How many units sets drawn at random would share: what a shared unit has to be compared with.

In: sizes of selections, the number of units. Out: expected numbers and exact tail probabilities, as floats.
The null: each set holds its own number of a layer's units, drawn at random, and the sets know nothing of each other.
"""

from collections import Counter
from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln


def expected_overlap(sizes: Sequence[int], units: int) -> float:
    """Return the mean size of the intersection of random sets, ``N·Π(n_i/N)``."""
    return units * prod(size / units for size in sizes)


def overlap_tail(sizes: Sequence[int], units: int, observed: int) -> float:
    """Return the exact probability that random sets of these sizes share at least ``observed`` of the units.

    Given that the sets so far share j, the number that is also in the next, of n, is hypergeometric (N, j, n); the
    distribution is carried from set to set, the smallest first. A set's complement is a set of N − n.
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
    """Return the exact probability, by k from 0 to the number of sets, that one given unit is in at least k of them.

    The number of sets that hold it is Poisson-binomial with probabilities n_i/N: the sum of a binomial number for each
    distinct size (Wang, 1993).
    """
    chance = np.ones(1)
    for size, count in sorted(Counter(sizes).items()):
        chance = np.convolve(chance, stats.binom.pmf(np.arange(count + 1), count, size / units))
    tails: NDArray[np.float64] = np.minimum(np.cumsum(chance[::-1])[::-1], 1.0)
    return tails


def support_bound(tail: float, units: int, observed: int) -> float:
    """Return what the probability that ``observed`` units or more have such a support can't exceed, ``C(N,m)·q^m``.

    ``q`` is one unit's `support_tails`. In sets of a fixed size units crowd each other out, so m given units have that
    support together with a probability of at most q^m (negative association: Joag-Dev and Proschan, 1983).
    """
    if observed == 0 or tail == 0:
        return float(observed == 0)
    ways = gammaln(units + 1) - gammaln(observed + 1) - gammaln(units - observed + 1)
    return float(np.exp(min(ways + observed * np.log(tail), 0.0)))
