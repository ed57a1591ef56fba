"""Count, mean, variance, range and number of zeros of each unit's responses.

In: responses ``[image, unit]``. Out: `Moments`, which can be merged.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments of each unit's responses, each an array ``[unit]``.

    Attributes:
        count: number of images with a response, int64.
        mean: mean response, float64; 0 if there are no responses.
        m2: sum of squared deviations from the mean, float64.
        min: lowest response, float32; +inf if there are no responses.
        max: highest response, float32; -inf if there are no responses.
        zeros: number of responses that are exactly zero, int64.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]
    min: NDArray[np.float32]
    max: NDArray[np.float32]
    zeros: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int) -> Self:
        """Return the moments of no images, the identity of `merge`."""
        nothing = np.zeros(units, np.int64)
        infinite = np.full(units, np.inf, np.float32)
        return cls(nothing, np.zeros(units), np.zeros(units), infinite, -infinite, nothing)

    @classmethod
    def of(cls, responses: NDArray[np.float32]) -> Self:
        """Return the moments of responses ``[image, unit]``."""
        present = np.isfinite(responses)
        count = present.sum(0)
        values = np.where(present, responses, 0).astype(np.float64)
        mean = values.sum(0) / np.maximum(count, 1)
        deviations = np.where(present, values - mean, 0)
        return cls(
            count,
            mean,
            np.einsum("iu,iu->u", deviations, deviations),
            np.where(present, responses, np.float32(np.inf)).min(0, initial=np.float32(np.inf)),
            np.where(present, responses, np.float32(-np.inf)).max(0, initial=np.float32(-np.inf)),
            (responses == 0).sum(0),
        )

    def merge(self, other: Self) -> Self:
        """Return the moments of both sets of images (Chan, Golub and LeVeque, 1979)."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        delta = other.mean - self.mean
        return type(self)(
            count,
            self.mean + delta * share,
            self.m2 + other.m2 + delta * delta * self.count * share,
            np.minimum(self.min, other.min),
            np.maximum(self.max, other.max),
            self.zeros + other.zeros,
        )

    @property
    def std(self) -> NDArray[np.float64]:
        """Population standard deviation of the responses, float64 ``[unit]``."""
        return np.sqrt(self.m2 / np.maximum(self.count, 1))

    def to_arrays(self) -> Arrays:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the moments from the arrays of `to_arrays`."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})  # type: ignore[arg-type]
