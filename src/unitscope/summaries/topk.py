"""Exemplars: the images with each unit's k highest and k lowest responses.

In: responses ``[image, unit]`` and image ids. Out: `Extremes`, exact, which can be merged.
Images are ordered by response, then by image id, so the order of images and shards does not matter.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unitscope.summaries.moments import Arrays

NO_IMAGE = -1
_IMAGE_BITS = 32
_IMAGE_MASK = (1 << _IMAGE_BITS) - 1
_NO_KEY = np.iinfo(np.int64).min  # smaller than the key of any response


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """Each unit's highest and lowest responses, the most extreme first.

    They are stored as sortable keys, int64 ``[rank, unit]``: the response's bits in the upper half, the image id in the
    lower half.

    Attributes:
        top: keys of the highest responses, descending.
        bottom: keys of the negated lowest responses, descending.
    """

    top: NDArray[np.int64]
    bottom: NDArray[np.int64]

    @classmethod
    def empty(cls, units: int, *, k: int) -> Self:
        """Return the extremes of no images, the identity of `merge`."""
        keys = np.full((k, units), _NO_KEY)
        return cls(keys, keys)

    @classmethod
    def of(cls, responses: NDArray[np.float32], images: NDArray[np.int64], *, k: int) -> Self:
        """Return the k extremes of responses ``[image, unit]``; ``images`` are the image ids ``[image]``."""
        by_unit = np.ascontiguousarray(responses.T)
        return cls(greatest_keys(keys_of(by_unit, images), k), greatest_keys(keys_of(-by_unit, images), k))

    def merge(self, other: Self) -> Self:
        """Return the extremes of both sets of images."""
        k = len(self.top)
        return type(self)(
            greatest_keys(np.concatenate([self.top, other.top]).T.copy(), k),
            greatest_keys(np.concatenate([self.bottom, other.bottom]).T.copy(), k),
        )

    def to_arrays(self) -> Arrays:
        """Return float32 values and int64 image ids, ``[rank, unit]``; NaN and -1 if there are fewer than k images."""
        top_values, top_images = values_of(self.top)
        bottom_values, bottom_images = values_of(self.bottom)
        return {
            "top_values": top_values,
            "top_images": top_images,
            "bottom_values": np.float32(0) - bottom_values,  # not -0 for a response of 0
            "bottom_images": bottom_images,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the extremes from the arrays of `to_arrays`."""
        values: dict[str, Any] = dict(arrays)
        return cls(
            keys_of(values["top_values"], values["top_images"]),
            keys_of(-values["bottom_values"], values["bottom_images"]),
        )


def keys_of(values: NDArray[np.float32], images: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64 keys that sort descending by value, then ascending by image; ``images`` may be ``[image]``."""
    bits = (values + np.float32(0)).view(np.int32)  # adding 0 turns -0 into +0
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)  # now the bits sort like the values
    keys = bits.astype(np.int64)
    keys <<= _IMAGE_BITS
    keys |= _IMAGE_MASK - images
    keys[~np.isfinite(values)] = _NO_KEY
    return keys


def values_of(keys: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the values and the image ids in keys; NaN and -1 where there is none."""
    ordered = keys >> _IMAGE_BITS
    bits = np.where(ordered < 0, ~(ordered + (1 << 31)), ordered).astype(np.int32)
    missing = keys == _NO_KEY
    values = np.where(missing, np.float32(np.nan), bits.view(np.float32))
    return values, np.where(missing, NO_IMAGE, _IMAGE_MASK - (keys & _IMAGE_MASK))


def greatest_keys(keys: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the k largest of each unit's keys ``[unit, image]`` as ``[rank, unit]``, descending, padded to k rows.

    Reorder the keys in place, since copying a shard's keys takes longer than partitioning them.
    """
    if (surplus := keys.shape[1] - k) > 0:
        keys.partition(surplus, axis=1)
        keys = keys[:, surplus:]
    best = np.sort(keys, axis=1)[:, ::-1]
    return np.pad(best, ((0, 0), (0, max(0, -surplus))), constant_values=_NO_KEY).T.copy()
