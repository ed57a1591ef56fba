"""Means over images of values from several random draws: value, standard error, spread over draws.

In: values ``[draw, image]``, or one count per draw. Out: `Estimate` and `Proportion`. Independent of
what was measured.
"""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.statistics import Interval, wilson
from unitscope.results import Values

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over images, after averaging the draws of each image.

    Attributes:
        value: the mean; NaN if no image has a value.
        error: standard error over images; NaN for fewer than two images.
        spread: standard deviation of the draws' means; NaN for a single draw.
        count: number of images with a value.
    """

    value: float
    error: float
    spread: float
    count: int

    def values(self, name: str) -> Values:
        """Return the estimate as plain values, with keys that start with ``name``."""
        return {
            name: self.value,
            f"{name}_error": self.error,
            f"{name}_spread": self.spread,
            f"{name}_count": self.count,
        }

    @classmethod
    def from_values(cls, values: Values, name: str, count: int) -> Self:
        """Return the estimate from plain `values`; ``count`` is used if they have none, as in older files."""
        numbers = (values.get(key) for key in (name, f"{name}_error", f"{name}_spread"))
        value, error, spread = (np.nan if number is None else number for number in numbers)
        return cls(value, error, spread, values.get(f"{name}_count", count))


@dataclass(frozen=True, slots=True)
class Proportion:
    """A fraction of images, for each draw.

    Attributes:
        counts: number of images, one per draw.
        total: total number of images.
    """

    counts: tuple[int, ...]
    total: int

    @property
    def value(self) -> float:
        """The fraction, averaged over the draws."""
        return float(np.mean(self.counts)) / self.total

    @property
    def spread(self) -> float:
        """Standard deviation of the draws' fractions; NaN for a single draw."""
        return _spread(np.array(self.counts) / self.total)

    @property
    def interval(self) -> Interval:
        """Wilson's 95% interval over images for the mean count over draws, rounded to a whole number."""
        return wilson(round(float(np.mean(self.counts))), self.total)


def estimate(values: NDArray[Any]) -> Estimate:
    """Return the mean of values ``[draw, image]``, ignoring NaN."""
    by_image = _mean(values, 0)
    known = by_image[np.isfinite(by_image)]
    mean = float(known.mean()) if len(known) else np.nan
    return Estimate(mean, _error(known), _spread(_mean(values, 1)), len(known))


def relative_change(before: NDArray[Any], after: NDArray[Any]) -> Estimate:
    """Return ``(mean α' - mean α) / mean |α|`` over images; before ``[image]``, after ``[draw, image]``.

    The standard error is that of a ratio of means (Cochran, Sampling Techniques, 1977, section 6.4). NaN if the mean of
    ``|α|`` is zero.
    """
    known = np.isfinite(before) & np.isfinite(after).all(0)
    sizes = np.abs(before[known].astype(np.float64))
    changes = after[:, known].astype(np.float64) - before[known]
    scale = float(sizes.mean()) if len(sizes) else 0.0
    if scale == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    change = changes.mean(0)
    ratio = float(change.mean()) / scale
    error = _error(change - ratio * sizes) / scale
    return Estimate(ratio, error, _spread(changes.mean(1) / scale), len(sizes))


def _mean(values: NDArray[Any], axis: int) -> Floats:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        return np.asarray(np.nanmean(values, axis, dtype=np.float64))


def _error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def _spread(draws: Floats) -> float:
    return float(draws.std(ddof=1)) if len(draws) > 1 else np.nan
