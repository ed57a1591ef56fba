"""Sizes and times of image files, to notice those that are missing or change during a scan.

In: an image source and rows. Out: `Stamps`, 16 bytes an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from unitscope.errors import ImageAccessError
from unitscope.images.reading import open_row
from unitscope.images.source import ImageSource

MISSING = (0, 0)
"""The stamp of a missing image."""


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """The stamps of some images at one moment.

    Attributes:
        sizes: sizes in bytes, int64 ``[image]``.
        hashes: hashes of the stamps, int64 ``[image]``.
    """

    sizes: NDArray[np.int64]
    hashes: NDArray[np.int64]

    @classmethod
    def of(cls, images: ImageSource, rows: Sequence[int]) -> "Stamps":
        """Return the stamps of the images at these rows."""
        found = np.empty((len(rows), 2), np.int64)
        for position, row in enumerate(rows):
            stamp = images.stamp(row)
            found[position] = stamp[0], _hash(stamp)
        return cls(found[:, 0], found[:, 1])

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Whether each image has no stamp, bool ``[image]``; an empty file of 1970 looks the same."""
        return np.equal(self.hashes, _hash(MISSING))

    def changed(self, later: "Stamps", rows: slice) -> NDArray[np.int64]:
        """Return the positions among ``rows`` whose ``later`` stamps differ, without images that are missing then."""
        return np.flatnonzero((self.hashes[rows] != later.hashes) & ~later.missing)


def _hash(stamp: tuple[int, int]) -> int:
    """Return 64 bits that are the same in every process and version of Python."""
    return int.from_bytes(blake2b(b"%d %d" % stamp, digest_size=8).digest(), "little", signed=True)


def reason_missing(images: ImageSource, row: int) -> str:
    """Return why an image can't be opened or read; empty if it can."""
    try:
        with open_row(images, row) as file:
            file.read(1)
    except ImageAccessError as error:
        return str(error)
    except Exception:  # it can't be decoded, whatever the reason
        return ""
    return ""
