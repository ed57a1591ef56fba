"""An image source: images with stable ids and labels, each opened when it is asked for.

In: what a kind of source knows (folders, archives, …). Out: the same questions answered by all of them.
This module never decodes an image: whether a file is one shows when it is decoded.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO, Self

from unitscope.errors import ImageError


@dataclass(frozen=True)
class ImageSource(ABC):
    """Images with stable ids, in the order of their ids.

    A kind of source is a subclass without further fields: it opens files or archives when it is first asked to, and
    stays picklable, as workers get a copy. docs/extending.md shows how to add one.

    Attributes:
        root: where the images are, as `open_images` takes it.
        layout: the kind of source, as people read it, for example ``class folders``.
        ids: the name of each image, with ``/`` between its parts; sorted.
        labels: for each image none, one or several labels.
    """

    root: str
    layout: str
    ids: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    @classmethod
    @abstractmethod
    def can_open(cls, address: str) -> bool:
        """Return whether a path or address is of this kind; it must be quick and raise nothing."""

    @classmethod
    @abstractmethod
    def of(cls, address: str) -> "ImageSource":
        """Return the images at a path or address.

        Raises:
            ImageError: if it can't be read, has no images, or its labels are broken.
        """

    @abstractmethod
    def open(self, row: int) -> BinaryIO:
        """Return an image's encoded bytes as a file to read, for example of a JPEG; the caller closes it.

        Raises:
            OSError, ImageError: if it can't be opened.
        """

    @abstractmethod
    def stamp(self, row: int) -> tuple[int, int]:
        """Return an image's size in bytes, and a number that changes with its content: a time, or a check sum.

        Both are 0 for an image that is not there.
        """

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def address(self) -> str:
        """What opens these images again, from any folder."""
        return self.root

    @property
    def label_names(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted({name for names in self.labels for name in names}))

    def name(self, row: int) -> str:
        """Return what messages call an image."""
        return f"{self.root}/{self.ids[row]}"

    def fingerprint(self) -> str:
        """Return a SHA-256 (hex) that changes with any id, label or stamp."""
        digest = hashlib.sha256()
        for row, (name, labels) in enumerate(zip(self.ids, self.labels, strict=True)):
            digest.update(json.dumps([name, *self.stamp(row), labels]).encode() + b"\n")
        return digest.hexdigest()

    def total_bytes(self) -> int:
        """Return the size of all images together, in bytes."""
        return sum(self.sizes(range(len(self))))

    def sizes(self, rows: range) -> tuple[int, ...]:
        """Return the sizes of some images in bytes; 0 for one that is not there."""
        return tuple(self.stamp(row)[0] for row in rows)

    def take(self, rows: Iterable[int]) -> Self:
        """Return the images at these rows, in their order."""
        kept = list(rows)
        return replace(self, ids=tuple(self.ids[n] for n in kept), labels=tuple(self.labels[n] for n in kept))

    def limit(self, count: int) -> Self:
        """Return at most `count` images, evenly spaced over the sorted ids so that every class has its share.

        Image i of the result is image ``i · len // count`` of the whole.

        Raises:
            ImageError: if `count` is less than 1.
        """
        if count < 1:
            raise ImageError(f"a limit of {count} leaves no image; give 1 or more")
        if count >= len(self):
            return self
        return self.take(row * len(self) // count for row in range(count))
