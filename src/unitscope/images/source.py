"""The base class of image sources: images with stable ids and labels, opened on demand.

In: images in a folder, an archive, and so on. Out: one interface to all of them.
Sources never decode images, so files that are not images are found only when they are decoded.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Self

from unitscope.errors import ImageError
from unitscope.notebook import facts_html
from unitscope.text import count_noun


@dataclass(frozen=True)
class ImageSource(ABC):
    """Images with stable ids, ordered by id.

    A kind of source is a subclass without further fields. It opens files or archives on first use, and must be
    picklable, since workers get a copy. docs/extending.md shows how to add one.

    Attributes:
        root: path or URL of the images, as given to `open_images`.
        layout: name of the kind of source in messages, for example ``class folders``.
        ids: sorted names of the images, with ``/`` between their parts.
        labels: labels of each image: none, one or several.
        skipped: what could not be listed, with the reason; for messages.
    """

    root: str
    layout: str
    ids: tuple[str, ...] = field(repr=False)
    labels: tuple[tuple[str, ...], ...] = field(repr=False)
    skipped: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    @abstractmethod
    def can_open(cls, address: str) -> bool:
        """Return whether this kind of source opens a path or URL; must be fast and must not raise."""

    @classmethod
    @abstractmethod
    def of(cls, address: str) -> "ImageSource":
        """Return the images at a path or URL.

        Raises:
            ImageError: if it can't be read, has no images, or its labels are invalid.
        """

    @abstractmethod
    def open(self, row: int) -> BinaryIO:
        """Return an open file with an image's encoded bytes, for example a JPEG; the caller closes it.

        Raises:
            OSError: if the image can't be opened now, for example because a server does not respond. A scan tries
                again, and is not finished without the image.
            ImageError: if it never can be opened. It becomes a row with an error.
        """

    @abstractmethod
    def stamp(self, row: int) -> tuple[int, int]:
        """Return an image's size in bytes, and a number that changes with its content: a time or a checksum.

        Both are 0 if the image is missing.
        """

    def __len__(self) -> int:
        return len(self.ids)

    def _repr_html_(self) -> str:
        first = ", ".join(self.ids[:3]) + ", …" * (len(self) > 3)
        facts = [("layout", self.layout), ("images", f"{len(self):,}"), ("first", first)]
        facts += [("labels", f"{len(self.label_names):,}"), ("skipped", f"{len(self.skipped):,}")]
        return facts_html(f"{count_noun(len(self), 'image')} in {self.root}", facts)

    @property
    def address(self) -> str:
        """The path or URL that opens these images again from any working directory."""
        return self.root

    @property
    def label_names(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted({name for names in self.labels for name in names}))

    def name(self, row: int) -> str:
        """Return the name of an image in messages."""
        return f"{self.root}/{self.ids[row]}"

    def fingerprint(self) -> str:
        """Return a SHA-256 (hex) that changes with any id, label or stamp."""
        digest = hashlib.sha256()
        for row, (name, labels) in enumerate(zip(self.ids, self.labels, strict=True)):
            digest.update(json.dumps([name, *self.stamp(row), labels]).encode() + b"\n")
        return digest.hexdigest()

    def total_bytes(self) -> int:
        """Return the total size of all images in bytes."""
        return sum(self.sizes(range(len(self))))

    def sizes(self, rows: range) -> tuple[int, ...]:
        """Return the sizes of the images at these rows in bytes; 0 for missing ones."""
        return tuple(self.stamp(row)[0] for row in rows)

    def take(self, rows: Iterable[int]) -> Self:
        """Return the images at these rows, in the order given."""
        kept = list(rows)
        return replace(self, ids=tuple(self.ids[n] for n in kept), labels=tuple(self.labels[n] for n in kept))

    def limit(self, count: int) -> Self:
        """Return at most ``count`` images, evenly spaced over the sorted ids, so that all classes are represented.

        Image i of the result is image ``i · len // count`` of the source.

        Raises:
            ImageError: if ``count`` is less than 1.
        """
        if count < 1:
            raise ImageError(f"a limit of {count} leaves no images; give 1 or more")
        if count >= len(self):
            return self
        return self.take(row * len(self) // count for row in range(count))
