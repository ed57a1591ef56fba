"""The units of a layer whose exemplars stand out most from all images, for a first look at the layer.

In: the summaries and exemplars of its units. Out: `DistinctiveUnit` values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EXEMPLARS = 9
_FEW = 1 / 4  # of the images: no more are exemplars in an atlas with few images
_SHARED = 1 / 3  # of the exemplars of two units that are both chosen, at most


@dataclass(frozen=True, slots=True)
class DistinctiveUnit:
    """A unit, and how many standard deviations its least exemplar lies above its mean response."""

    channel: int
    z_score: float


def distinctive_units(
    values: NDArray[np.float32], rows: NDArray[np.int64], moments: NDArray[np.float64], *, count: int = 3
) -> tuple[DistinctiveUnit, ...]:
    """Return the units whose exemplars stand out most, at most ``count``, the most distinctive first.

    They are ranked by the z-score of their least exemplar: its response minus the mean response of the unit, over the
    standard deviation. So neither a unit that responds to everything comes first, nor one with a single extreme image.
    Of units that share over a third of their exemplars, only the first is chosen. Dead and constant units never are.
    Ties break by channel.

    Args:
        values: responses to the exemplars, descending, ``[rank, unit]``; the first nine ranks are used, of few images
            the first quarter.
        rows: the exemplars' images, ``[rank, unit]``; -1 where there are too few.
        moments: number of responses, their mean and standard deviation, ``[unit, 3]``.
        count: how many units.
    """
    images, mean, deviation = moments.T
    ranks = max(1, min(EXEMPLARS, len(rows), int(_FEW * images.max(initial=0))))
    varied = (rows[ranks - 1] >= 0) & (deviation > 0)
    z_scores = np.divide(values[ranks - 1] - mean, deviation, out=np.full(len(mean), np.nan), where=varied)
    chosen: list[int] = []
    for unit in np.argsort(-z_scores, kind="stable")[: np.isfinite(z_scores).sum()].tolist():
        same = rows[:ranks, chosen, None] == rows[:ranks, unit]
        if (same.any(axis=2).mean(axis=0) <= _SHARED).all():
            chosen.append(unit)
        if len(chosen) == count:
            break
    return tuple(DistinctiveUnit(unit, float(z_scores[unit])) for unit in chosen)
