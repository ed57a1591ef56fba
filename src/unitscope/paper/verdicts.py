"""Whether data support a claim: the rules that give each verdict.

In: a number with its 95 % interval, or corrected p-values. Out: `Verdict`. Independent of networks and claims.

A claim is that a number is greater than a bound. There are two bounds, ``above`` ≤ ``below``. Data support the claim
if the whole interval lies above the first. They don't if the whole interval lies below the second, since the number is
then too small to matter. Otherwise it can't be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

SUPPORTED, NOT_SUPPORTED, OPEN = "supported", "not supported", "can't be told"
ANSWERS = {
    SUPPORTED: "these data support the claim",
    NOT_SUPPORTED: "these data contradict the claim",
    OPEN: "these data neither support nor contradict the claim",
}
"""Each answer as the start of a sentence that ends with the claim."""

MIN_IMAGES = 20
"""With fewer images, no verdict is given: intervals of so few are not reliable."""

MIN_TESTED = 30
"""With fewer images, units without a significant effect can't be told from a test without power."""

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its 95 % interval, over some images; NaN where it is unknown."""

    value: float
    low: float
    high: float
    images: int

    def minus(self) -> "Measured":
        """Return the number with the other sign."""
        return Measured(-self.value, -self.high, -self.low, self.images)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What data say of a claim.

    Attributes:
        answer: ``supported``, ``not supported`` or ``can't be told``.
        number: the number that says so, with its interval; NaN without an interval.
        p_value: of the test, where the rule is a test.
        why: the reason, where it can't be told for another reason than its interval; for a removal, what was removed.
    """

    answer: str
    number: Measured
    p_value: float | None = None
    why: str = ""


def by_interval(number: Measured, *, above: float, below: float | None = None, least: int = MIN_IMAGES) -> Verdict:
    """Return whether a number is greater than ``above``; see the module.

    Args:
        number: the number, with its interval.
        above: the claim is supported if the interval lies above this.
        below: it is not supported if the interval lies below this; by default the same bound.
        least: minimum number of images.
    """
    if number.images < least:
        return Verdict(OPEN, number, why=f"{number.images} images; {least} are needed")
    if not np.isfinite([number.low, number.high]).all():
        return Verdict(OPEN, number, why="the number is undefined")
    if number.low > above:
        return Verdict(SUPPORTED, number)
    return Verdict(NOT_SUPPORTED if number.high < (above if below is None else below) else OPEN, number)


def by_test(corrected: Sequence[float], images: int) -> Verdict:
    """Return whether some unit has an effect: p-values corrected for the number of units (Holm, 1979).

    Supported if one is at most 0.05. Otherwise it is not supported with `MIN_TESTED` images or more; with fewer, a test
    corrected for hundreds of units finds only effects on nearly every image.
    """
    p_values = np.asarray(corrected, np.float64)
    found = int((p_values <= LEVEL).sum())
    number, least = Measured(found, np.nan, np.nan, images), float(p_values.min()) if len(p_values) else None
    if found:
        return Verdict(SUPPORTED, number, least)
    if images < MIN_TESTED:
        return Verdict(OPEN, number, least, f"{images} images; {MIN_TESTED} are needed")
    return Verdict(NOT_SUPPORTED, number, least)


def unknown(why: str) -> Verdict:
    """Return the verdict for a claim that could not be tested."""
    return Verdict(OPEN, Measured(np.nan, np.nan, np.nan, 0), why=why)


def mean_of(values: ArrayLike) -> Measured:
    """Return the mean of one value per image with Student's interval; NaN is left out."""
    given: Any = np.asarray(values, np.float64)
    known = given[np.isfinite(given)]
    count, mean = len(known), float(known.mean()) if len(known) else np.nan
    if count < 2:
        return Measured(mean, np.nan, np.nan, count)
    half = float(stats.t.ppf(0.975, count - 1) * known.std(ddof=1) / np.sqrt(count))
    return Measured(mean, mean - half, mean + half, count)


def change_of(gained: int, lost: int, images: int) -> Measured:
    """Return the change of a proportion on the same images, with the interval of Bonett and Price (2012).

    It adds one image to each of the two counts of changes, so that it has a width where no image changed.
    """
    up, down = (gained + 1) / (images + 2), (lost + 1) / (images + 2)
    half = float(stats.norm.ppf(0.975)) * np.sqrt((up + down - (up - down) ** 2) / (images + 2))
    centre = up - down
    return Measured((gained - lost) / images, max(centre - half, -1.0), min(centre + half, 1.0), images)
