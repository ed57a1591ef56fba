"""Open image files, and tell those that can't be read from those that can't be decoded.

In: a path, or a row of an image source. Out: an open file. Whatever the system refuses becomes an `ImageAccessError`,
also if a decoder takes it for a damaged file or ignores it.
"""

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from unitscope.errors import ImageAccessError, ImageError
from unitscope.images.source import ImageSource

Opener = Callable[[], AbstractContextManager[BinaryIO]]

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_file(path: Path) -> BinaryIO:
    """Open an image file; a pipe, which could block forever, is refused.

    Raises:
        OSError: if it can't be opened.
        ImageError: if it is a pipe, a socket or a device.
    """
    if kind := _KINDS.get(stat.S_IFMT(path.stat().st_mode)):
        raise ImageError(f"'{path}' is {kind}, not an image file; save the image in a file")
    return path.open("rb")


def open_row(images: ImageSource, row: int) -> AbstractContextManager[BinaryIO]:
    """Return a context with the file of an image; see `checked`.

    Raises:
        ImageAccessError: if it can't be opened or read.
        ImageError: if the source refuses to open it.
    """
    return checked(lambda: images.open(row), f"'{images.name(row)}'")


@contextmanager
def checked(opener: Opener, shown: str) -> Iterator[BinaryIO]:
    """Open a file within the context; ``shown`` is its name in messages.

    Raises:
        ImageAccessError: if it can't be opened or read.
        ImageError: if it is a folder.
    """
    try:
        opened = opener()
    except OSError as error:
        raise _refused(error, shown) from error
    with opened as file:
        watched = _WatchedFile(file)
        try:
            yield cast("BinaryIO", watched)
        except Exception:
            if watched.error is None:
                raise
        if watched.error is not None:
            raise _refused(watched.error, shown) from watched.error


@contextmanager
def suggest_image_root() -> Iterator[None]:
    """Say what to do if the images of an atlas can't be read within the context.

    Raises:
        ImageAccessError: the same, with that advice.
    """
    try:
        yield
    except ImageAccessError as error:
        raise ImageAccessError(
            f"{error}. If the images have moved, give their new folder (--image-root, or image_root= in Python)"
        ) from error


class _WatchedFile:
    """A file that remembers an error while it is read, since a decoder may catch it."""

    def __init__(self, file: BinaryIO) -> None:
        self._read, self._readline = file.read, file.readline
        self.seek, self.tell = file.seek, file.tell  # decoders of damaged files seek where there is nothing
        self.error: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._read(size)
        except OSError as error:
            self.error = error
            raise

    def readline(self, size: int = -1) -> bytes:
        try:
            return self._readline(size)
        except OSError as error:
            self.error = error
            raise


def _refused(error: OSError, shown: str) -> ImageError:
    match error:
        case FileNotFoundError():
            return ImageAccessError(f"no image file {shown}; check the path")
        case IsADirectoryError():
            return ImageError(f"{shown} is a folder, not an image; give an image file")
        case PermissionError():
            return ImageAccessError(f"{shown} can't be read: permission denied; check the file's permissions")
    return ImageAccessError(f"{shown} can't be read: {error.strerror or error}")
