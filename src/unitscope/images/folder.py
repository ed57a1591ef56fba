"""The image source for folders and single image files.

In: a path. Out: an `ImageFolder`, the same on every machine that has the same files.
`coco`, `imagenet` and `class_folders` read the labels of their layouts.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from unitscope.errors import ImageError, ImageOutsideError
from unitscope.images import class_folders, coco, imagenet
from unitscope.images.listing import Labels, list_files
from unitscope.images.mask_files import without_masks, without_text_folders
from unitscope.images.reading import open_file
from unitscope.images.source import ImageSource

# The first layout that recognises the folder is used; it returns the image files with their labels.
_LAYOUTS: dict[str, Callable[[Path, tuple[str, ...]], Labels | None]] = {
    "coco": coco.read_labels,
    "imagenet validation": imagenet.read_labels,
    "class folders": class_folders.read_labels,
}


@dataclass(frozen=True)
class ImageFolder(ImageSource):
    """Image files in a folder and its subfolders; ids are paths relative to the folder.

    The layout is ``folder``, ``class folders``, ``imagenet validation`` or ``coco``.
    """

    @classmethod
    def can_open(cls, address: str) -> bool:
        """Return whether there is such a file or folder."""
        return os.path.exists(_absolute(address))  # noqa: PTH110 - as `_absolute`

    @classmethod
    def of(cls, address: str) -> "ImageFolder":
        """Return the images of a folder in any layout, or a single image file.

        Raises:
            ImageError: if the folder can't be read or is empty, or its labels are invalid.
        """
        root = Path(_absolute(address))
        if not root.is_dir():
            return cls(str(root.parent), "folder", (root.name,), ((),))
        listing = list_files(root)
        ids, masks = without_masks(listing.ids)
        layout, labels = _read_layout(root, ids)
        if not labels:
            why = f" ({listing.skipped[0]})" if listing.skipped else ""
            raise ImageError(f"'{root}' has no images{why}; give a folder with images, or an image file")
        return cls(str(root), layout, tuple(labels), tuple(labels.values()), listing.skipped + masks)

    @property
    def address(self) -> str:
        """The folder's path, with symbolic links resolved."""
        return str(Path(self.root).resolve())

    def path(self, row: int) -> Path:
        """Return the path of an image.

        Raises:
            ImageOutsideError: if its id leads out of the folder, which only happens with a manipulated atlas.
        """
        image = self.ids[row]
        if image.startswith("/") or (".." in image and ".." in PurePosixPath(image).parts):
            raise ImageOutsideError(f"image '{image}' is outside the folder '{self.root}', so it is not opened")
        return Path(self.root, image)

    def name(self, row: int) -> str:
        """Return the path of an image for messages."""
        return os.path.join(self.root, self.ids[row])  # noqa: PTH118 - ten times faster than a `Path`

    def open(self, row: int) -> BinaryIO:
        """See `ImageSource.open`."""
        return open_file(self.path(row))

    def stamp(self, row: int) -> tuple[int, int]:
        """Return a file's size and modification time; zeros if it is missing, which becomes a row with an error."""
        try:
            status = self.path(row).stat()
        except (OSError, ImageError):
            return 0, 0
        return status.st_size, status.st_mtime_ns


class ContainedFolder(ImageFolder):
    """A folder that an atlas names: links that lead out of it are not followed, as the atlas may be somebody else's."""

    def path(self, row: int) -> Path:
        """Return the path of an image.

        Raises:
            ImageOutsideError: if its id or a link leads out of the folder.
        """
        path = super().path(row)
        self.check(path, f"image '{self.ids[row]}' is a link out of")
        return path

    def check(self, path: Path, otherwise: str) -> None:
        """Check that a file is in the folder, after links; ``otherwise`` begins the message if it is not.

        Raises:
            ImageOutsideError: if it is not.
        """
        try:
            inside = path.resolve().is_relative_to(Path(self.root).resolve())
        except (OSError, RuntimeError, ValueError) as error:  # a circular link; a name with a null character
            raise ImageError(f"'{path}' can't be opened: {error}") from error
        if not inside:
            raise ImageOutsideError(
                f"{otherwise} the folder '{self.root}', which only the atlas names; "
                f"if you trust it, give --image-root '{self.root}'"
            )


def image_files(files: Iterable[str | Path]) -> ImageFolder:
    """Return a source of image files from any folders, in the order given; they are not opened before decoding."""
    ids = tuple(_absolute(str(file)).lstrip(os.sep) for file in files)
    return ImageFolder(os.sep, "files", ids, ((),) * len(ids))


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - resolve() would follow links


def _read_layout(root: Path, ids: tuple[str, ...]) -> tuple[str, Labels]:
    for layout, read_labels in _LAYOUTS.items():
        labels = read_labels(root, ids)
        if labels is not None:
            return layout, labels
    return "folder", dict.fromkeys(without_text_folders(ids), ())
