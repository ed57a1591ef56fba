"""What a removal took away: maps that were zero already, and the share of the layer's activation.

In: masks of removed units, and the responses of the same images. Out: `Removed`, and a note where nothing, or almost
nothing, was removed: the accuracy after such a removal is no evidence about the units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unitscope.results import Values

ALMOST_NOTHING = 0.01
"""A removal of less than this share of Σ|α| is reported as almost nothing."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Removed:
    """What a setting removed, summed over the images.

    Attributes:
        images: number of images.
        maps: number of removed maps, one per image and removed unit.
        zero: of these, maps that were exactly zero at every position already.
        changed: of these, maps that the replacement changed: not zero before, or replaced by another value than zero.
        activation: Σ|α| over the removed maps.
        total: Σ|α| over all maps of the layer.
    """

    images: int
    maps: int
    zero: int
    changed: int
    activation: float
    total: float

    @classmethod
    def sum(cls, parts: Sequence["RemovedByImage"]) -> "Removed":
        """Return the sums over the images of several batches; batches of any size give the same sums."""
        counts = [sum(int(getattr(part, name).sum()) for part in parts) for name in ("maps", "zero", "changed")]
        sums = [math.fsum(value for part in parts for value in getattr(part, name)) for name in ("activation", "total")]
        return cls(sum(len(part.maps) for part in parts), *counts, *sums)

    @property
    def units(self) -> float:
        """Mean number of removed maps per image."""
        return self.maps / self.images if self.images else 0.0

    @property
    def already_zero(self) -> float | None:
        """The share of removed maps that were exactly zero already; None if no map was removed."""
        return self.zero / self.maps if self.maps else None

    @property
    def share(self) -> float | None:
        """The share of Σ|α| that was removed; None if all responses are zero."""
        return self.activation / self.total if self.total else None

    @property
    def nothing(self) -> bool:
        """Whether the removal changed no map, so that the network computed the same as before."""
        return not self.changed

    @property
    def note(self) -> str:
        """A warning if nothing or almost nothing was removed; otherwise empty."""
        if not self.maps:
            return "nothing was removed: no unit was selected"
        if self.nothing:
            return f"nothing was removed: all {self.maps:,} maps were zero already"
        if self.share is not None and self.share < ALMOST_NOTHING:
            return f"almost nothing was removed: {self.share:.2g} of Σ|α|"
        return ""

    def to_dict(self) -> Values:
        """Return sums and shares as plain values."""
        sums = {"maps_removed": self.maps, "maps_zero": self.zero, "maps_changed": self.changed}
        return {
            **sums,
            "already_zero": self.already_zero,
            "activation": self.activation,
            "activation_total": self.total,
            "activation_removed": self.share,
            "nothing_removed": self.nothing,
            "note": self.note,
        }

    @classmethod
    def from_values(cls, values: Values, images: int) -> Self | None:
        """Return what was removed from the values of `to_dict`; None for results without them, as in older files."""
        if "maps_removed" not in values:
            return None
        names = ("maps_removed", "maps_zero", "maps_changed", "activation", "activation_total")
        return cls(images, *(values[name] for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class RemovedByImage:
    """What a setting removed from each image of a batch; one number per image, named as in `Removed`."""

    maps: NDArray[np.int64]
    zero: NDArray[np.int64]
    changed: NDArray[np.int64]
    activation: NDArray[np.float64]
    total: NDArray[np.float64]


class BatchMaps:
    """The maps of a batch of images at one layer, before a removal.

    Args:
        nonzero: whether a map has a value other than zero, bool ``[image, unit]``.
        responses: α, ``[image, unit]``; NaN where an image does not reach the layer, from which nothing is removed.
        fill: the value of removed maps, ``[unit]``.
    """

    def __init__(self, nonzero: Mask, responses: NDArray[Any], fill: NDArray[Any]) -> None:
        self._known = np.isfinite(responses)
        self._zero = self._known & ~nonzero
        self._changing = self._known & (nonzero | (fill != 0))
        self._sizes = np.where(self._known, np.abs(responses), 0).astype(np.float64)
        self._total = self._sizes.sum(1)

    def remove(self, removed: Mask) -> RemovedByImage:
        """Return what a mask of removed units takes away, bool ``[image, unit]``."""
        maps, zero, changed = (
            np.count_nonzero(removed & some, axis=1) for some in (self._known, self._zero, self._changing)
        )
        return RemovedByImage(maps, zero, changed, np.where(removed, self._sizes, 0).sum(1), self._total)
