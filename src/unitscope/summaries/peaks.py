"""Peaks: the images with the greatest value at a single place of each unit's map, and that place.

In: greatest values and their places ``[image, unit]``, and image ids. Out: `Peaks`, exact, which can be merged.
Images are ordered by value, then by image id, as in `topk`.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unitscope.summaries.moments import Arrays
from unitscope.summaries.topk import NO_IMAGE, greatest_keys, keys_of, values_of

NO_PLACE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Each unit's greatest peaks, the greatest first.

    Attributes:
        keys: int64 ``[rank, unit]``, descending; they hold value and image as in `Extremes`.
        places: ``row * columns + column`` in the map, int32 ``[rank, unit]``; -1 where there is none.
    """

    keys: NDArray[np.int64]
    places: NDArray[np.int32]

    @classmethod
    def empty(cls, units: int, *, k: int) -> Self:
        """Return the peaks of no images, the identity of `merge`."""
        nothing = np.full((k, units), np.nan, np.float32)
        return cls(keys_of(nothing, np.zeros((), np.int64)), np.full((k, units), NO_PLACE, np.int32))

    @classmethod
    def of(cls, values: NDArray[np.float32], places: NDArray[np.int32], images: NDArray[np.int64], *, k: int) -> Self:
        """Return the k greatest of peaks ``[image, unit]``; ``images`` are ascending ids ``[image]``."""
        keys = greatest_keys(keys_of(np.ascontiguousarray(values.T), images), k)
        numbers = values_of(keys)[1]
        rows = np.searchsorted(images, np.maximum(numbers, images[0]))
        found = np.take_along_axis(places, rows, 0)
        return cls(keys, np.where(numbers == NO_IMAGE, NO_PLACE, found).astype(np.int32))

    def merge(self, other: Self) -> Self:
        """Return the peaks of both sets of images."""
        keys, places = np.concatenate([self.keys, other.keys]), np.concatenate([self.places, other.places])
        order = np.argsort(keys, axis=0, kind="stable")[::-1][: len(self.keys)]
        return type(self)(np.take_along_axis(keys, order, 0), np.take_along_axis(places, order, 0))

    def to_arrays(self) -> Arrays:
        """Return values, image ids and places, ``[rank, unit]``; NaN and -1 where there are none."""
        values, images = values_of(self.keys)
        return {"peak_values": values, "peak_images": images, "peak_places": self.places}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the peaks from the arrays of `to_arrays`."""
        values: dict[str, Any] = dict(arrays)
        return cls(keys_of(values["peak_values"], values["peak_images"]), values["peak_places"])
