"""The images of one folder: their ids, their labels, and what tells one state of it from another.

In: a path. Out: an `ImageSet`, the same on every machine that holds the same files.
What a layout's labels look like is for `coco`, `imagenet` and `folders` to say.
This module never opens an image: whether a file is one shows when it is decoded.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from unitscope.errors import ImageError, closest
from unitscope.images import class_folders as folders
from unitscope.images import coco, imagenet
from unitscope.images.listing import Labels, list_files, names_in

# The first layout that knows the folder wins; each says which files are images, and their labels.
_LAYOUTS: dict[str, Callable[[Path, tuple[str, ...]], Labels | None]] = {
    "coco": coco.read_labels,
    "imagenet validation": imagenet.read_labels,
    "class folders": folders.read_labels,
}


@dataclass(frozen=True)
class ImageSet:
    """Images with stable ids, in the order of their ids.

    Attributes:
        root: the folder that holds them, absolute.
        layout: ``folder``, ``class folders``, ``imagenet validation`` or ``coco``.
        ids: paths relative to the root, with ``/``, sorted.
        labels: for each image none, one, or (COCO) many labels.
    """

    root: Path
    layout: str
    ids: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def path(self, position: int) -> Path:
        """Return where the image at a position lies."""
        return self.root / self.ids[position]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted({name for names in self.labels for name in names}))

    def fingerprint(self) -> str:
        """Return a SHA-256 (hex) that changes with any id, label, file size or time of change."""
        digest = hashlib.sha256()
        for position, (name, labels) in enumerate(zip(self.ids, self.labels, strict=True)):
            row = [name, *_size_and_time(self.path(position)), labels]
            digest.update(json.dumps(row).encode() + b"\n")
        return digest.hexdigest()

    def total_bytes(self) -> int:
        """Return the size of all files together, in bytes."""
        return sum(self.sizes(range(len(self))))

    def sizes(self, rows: range) -> tuple[int, ...]:
        """Return the sizes of some files in bytes; 0 for one that is not there."""
        return tuple(_size_and_time(self.path(position))[0] for position in rows)

    def limit(self, count: int) -> "ImageSet":
        """Return at most `count` images, evenly spaced over the sorted ids so that every class has its share.

        Image i of the result is image ``i · len // count`` of the whole.

        Raises:
            ImageError: if `count` is less than 1.
        """
        if count < 1:
            raise ImageError(f"a limit of {count} leaves no image; give 1 or more")
        if count >= len(self):
            return self
        kept = [position * len(self) // count for position in range(count)]
        ids = tuple(self.ids[position] for position in kept)
        return replace(self, ids=ids, labels=tuple(self.labels[position] for position in kept))


def open_images(path: str | Path) -> ImageSet:
    """Return the images of a folder, whatever its layout, or of one image file.

    Raises:
        ImageError: if the path does not exist or can't be read, the folder is empty, or its labels are broken.
    """
    root = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow links
    if root.is_file():
        return ImageSet(root.parent, "folder", (root.name,), ((),))
    if not root.is_dir():
        if _is_address(path):
            raise ImageError(
                f"'{_as_written(path)}' is an address; images are read from folders: give a path, mount or copy them"
            )
        raise ImageError(_missing(root))
    layout, labels = _read_layout(root, tuple(list_files(root)))
    if not labels:
        raise ImageError(f"'{root}' has no images; give a folder that has some, or an image")
    return ImageSet(root, layout, tuple(labels), tuple(labels.values()))


def _read_layout(root: Path, ids: tuple[str, ...]) -> tuple[str, Labels]:
    for layout, read_labels in _LAYOUTS.items():
        labels = read_labels(root, ids)
        if labels is not None:
            return layout, labels
    return "folder", dict.fromkeys(ids, ())


def _missing(path: Path) -> str:
    near = closest(path.name, names_in(path.parent))
    return f"no file or folder '{path}'; {near or 'check the path'}"


def _is_address(path: str | Path) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) is not None


def _as_written(address: str | Path) -> str:
    """A `Path` has but one slash left of two."""
    return re.sub(r":/+", "://", str(address), count=1)


def _size_and_time(path: Path) -> tuple[int, int]:
    """Size and time of change; a file that has gone since is a row with an error later, not one here."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
