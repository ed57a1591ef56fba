"""From a folder to an image set: which files, which ids, which labels.

In: a path. Out: `ImageSet`. Files are listed, not opened: what is wrong with one shows when it is decoded.
Layouts with label files of their own (ImageNet's validation set, COCO) each have a room beside this one.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from unitscope.errors import ImageError, closest
from unitscope.images import coco, imagenet

_WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class ImageSet:
    """Some images: where they are, what they are called, what they show.

    Attributes:
        root: the folder that ids are relative to.
        layout: ``folder``, ``class folders``, ``imagenet validation`` or ``coco``.
        ids: relative paths with ``/``, sorted.
        labels: each image's labels: none, one, or (COCO) many.
    """

    root: Path
    layout: str
    ids: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def path(self, position: int) -> Path:
        """Return the file of an image."""
        return self.root / self.ids[position]

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({label for labels in self.labels for label in labels}))

    def fingerprint(self) -> str:
        """Return a SHA-256 over ids, labels, and the files' sizes and times of change, as hex digits."""
        digest = hashlib.sha256()
        for position, (name, labels) in enumerate(zip(self.ids, self.labels, strict=True)):
            size, changed = _stat(self.path(position))
            digest.update(f"{name}\0{size}\0{changed}\0{labels}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def total_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(_stat(self.path(position))[0] for position in range(len(self)))

    def limit(self, count: int) -> "ImageSet":
        """Return so many of the images, evenly spaced, so that all classes of a sorted set are among them."""
        if count >= len(self):
            return self
        chosen = [position * len(self) // count for position in range(count)]
        return replace(
            self,
            ids=tuple(self.ids[position] for position in chosen),
            labels=tuple(self.labels[position] for position in chosen),
        )


def open_images(path: str | Path) -> ImageSet:
    """Return the images in a folder, in whichever layout it is; or the one image that a file is.

    Raises:
        ImageError: if there is nothing at the path, or no file in it.
    """
    root = Path(path)
    if root.is_file():
        return ImageSet(root.parent, "folder", (root.name,), ((),))
    if not root.is_dir():
        raise ImageError(_missing(root))
    return _opened(root)


def _opened(root: Path) -> ImageSet:
    annotations = coco.annotation_files(root)
    ids = tuple(sorted(_files(root, skip=("annotations",) if annotations else ())))
    if annotations:
        found, layout = coco.labels(root, ids, annotations), "coco"
    elif any(imagenet.is_validation(name) for name in ids):
        ids = tuple(name for name in ids if imagenet.is_validation(name))
        found, layout = imagenet.labels(root, ids), "imagenet validation"
    else:
        found = _folder_labels(ids)
        layout = "class folders" if any(found) else "folder"
    if not ids:
        raise ImageError(f"no files in '{root}'; give a folder with images in it")
    return ImageSet(root, layout, ids, found)


def _folder_labels(ids: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A wnid anywhere in the path, else the first folder; one lone folder says nothing of its images."""
    labels = [_label(name) for name in ids]
    distinct = set(labels) - {""}
    lone = len(distinct) == 1 and not _WNID.fullmatch(next(iter(distinct)))
    return tuple(() if lone or not label else (label,) for label in labels)


def _label(name: str) -> str:
    folders = name.split("/")[:-1]
    wnids = [folder for folder in folders if _WNID.fullmatch(folder)]
    return wnids[0] if wnids else folders[0] if folders else ""


def _files(root: Path, *, skip: tuple[str, ...]) -> Iterator[str]:
    """All files below, by relative path; hidden ones left out, links followed but never in a circle."""
    seen: set[str] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        relative = Path(folder).relative_to(root)
        hidden = {name for name in below if name.startswith((".", "__MACOSX"))}
        below[:] = sorted(set(below) - hidden - (set(skip) if folder == str(root) else set()))
        yield from ((relative / name).as_posix() for name in names if not name.startswith("."))


def _missing(root: Path) -> str:
    siblings = [entry.name for entry in root.parent.iterdir()] if root.parent.is_dir() else []
    near = closest(root.name, siblings)
    return f"no images at '{root}': there is no such file or folder" + (f"; {near}" if near else "")


def _stat(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
