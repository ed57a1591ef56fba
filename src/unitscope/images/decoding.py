"""Decode an image file to an upright RGB image.

In: a path, bytes, an open file, or a row of an image source. Out: a Pillow image of mode RGB, whatever the file's
format, depth, palette or transparency. Independent of networks; resizing is the preprocessing's job. Safe to
call from several threads; Pillow releases the GIL while it decodes.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from unitscope.errors import ImageError, ImageTooLargeError
from unitscope.images.deep_grey import rgb_of_deep_grey
from unitscope.images.pillow_warnings import without_warnings
from unitscope.images.png_chunks import SIGNATURE, without_extras
from unitscope.images.source import ImageSource

Encoded = str | Path | bytes | BinaryIO
Opened = Callable[[], AbstractContextManager[BinaryIO]]

MAX_PIXELS = 178_956_970
"""Pillow's limit against decompression bombs; it applies even if ``Image.MAX_IMAGE_PIXELS`` was raised."""

MAX_SCANNED_PIXELS = 3_000_000_000
"""Largest product of a JPEG's pixels and scans: it decodes in seconds, and a usual progressive one has 10 scans."""

MAX_ASPECT = 100
"""Largest ratio of longer to shorter side; resizing a narrower image could fill the memory."""

# Pillow's other formats are left out: EPS runs Ghostscript on the file, and many have no decoder.
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "ICO")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_START_OF_SCAN = b"\xff\xda"
_MAX_PNG = 2**29  # bytes of a PNG file that are read again without its extra chunks


def decode(image: Encoded, *, max_pixels: int = MAX_PIXELS, at_least: int | None = None) -> Image.Image:
    """Return the image in a file as RGB and upright; the first frame of an animation.

    Args:
        image: a path, the bytes of an image file, or an open image file, which stays open.
        max_pixels: the maximum number of pixels.
        at_least: for thumbnails: a JPEG may be decoded smaller, to this many pixels of its shorter side or more, which
            is faster. None decodes every pixel.

    Raises:
        ImageError: if the file is missing, empty, not an image or damaged.
        ImageTooLargeError: if it has more than ``max_pixels`` pixels, or is a JPEG of too many scans.
    """
    return _decode(lambda: _opened(image), _shown(image), max_pixels=max_pixels, at_least=at_least)


def decode_row(images: ImageSource, row: int, *, at_least: int | None = None) -> Image.Image:
    """Return an image of a source, see `decode`.

    Raises:
        ImageError: as in `decode`, or if the source can't open the image.
    """
    shown = f"'{images.name(row)}'"
    return _decode(lambda: images.open(row), shown, max_pixels=MAX_PIXELS, at_least=at_least)


def pixels_in(image: Encoded, *, max_pixels: int = MAX_PIXELS) -> int:
    """Return the number of pixels of an image file, from its header.

    Raises:
        ImageError: as in `decode`; pixels that can't be read are found by decoding only.
    """
    shown = _shown(image)
    try:
        with without_warnings(), _opened(image) as file, Image.open(file, formats=_FORMATS) as opened:
            _check_size(shown, opened, file, max_pixels)
            return opened.width * opened.height
    except ImageError:
        raise
    except Exception as error:  # as below
        raise _explained(error, lambda: _opened(image), shown) from error


def pixels_of_plain_jpeg(file: BinaryIO) -> int:
    """Return the number of pixels of a grey or RGB JPEG; 0 for other files and for files that `decode` rejects."""
    try:
        with without_warnings(), Image.open(file, formats=("JPEG",)) as image:
            _check_size("", image, file, MAX_PIXELS)
            return image.width * image.height if image.mode in ("RGB", "L") else 0
    except Exception:  # `decode` reports whatever is wrong with the file
        return 0


def apply_orientation(picture: Image.Image, images: ImageSource, row: int) -> Image.Image:
    """Return a picture that is aligned with the stored pixels of an image of a source, rotated as `decode` rotates it.

    A picture that has the size of the upright image, and not that of the stored one, is returned as it is.

    Raises:
        ImageError: if the image can't be read, or the source can't open it.
    """
    try:
        with without_warnings(), images.open(row) as file, Image.open(file, formats=_FORMATS) as image:
            orientation = _orientation(image)
            turned = orientation in _SIDEWAYS and image.width != image.height
            return picture if turned and picture.size == image.size[::-1] else _upright(picture, orientation)
    except ImageError:
        raise
    except Exception as error:  # as below
        raise _explained(error, lambda: images.open(row), f"'{images.name(row)}'") from error


def _opened(image: Encoded) -> AbstractContextManager[BinaryIO]:
    if isinstance(image, (str, Path)):
        return Path(image).open("rb")
    return io.BytesIO(image) if isinstance(image, bytes) else nullcontext(image)


def _shown(image: Encoded) -> str:
    return f"'{image}'" if isinstance(image, (str, Path)) else "the picture"


def _decode(opened: Opened, shown: str, *, max_pixels: int, at_least: int | None) -> Image.Image:
    try:
        return _decode_whole(opened, shown, max_pixels, at_least)
    except ImageError:
        raise
    except Exception as error:  # a damaged file can make a decoder raise anything
        if (plain := _plain_png(opened)) is not None:
            try:
                return _decode_whole(lambda: io.BytesIO(plain), shown, max_pixels, at_least)
            except Exception:
                raise _explained(error, opened, shown) from error
        raise _explained(error, opened, shown) from error


def _decode_whole(opened: Opened, shown: str, max_pixels: int, at_least: int | None) -> Image.Image:
    with without_warnings(), opened() as file, Image.open(file, formats=_FORMATS) as image:
        _check_size(shown, image, file, max_pixels)
        if at_least:
            image.draft(None, (at_least, at_least))
        image.load()
        return _upright(_to_rgb(image), _orientation(image))


def _plain_png(opened: Opened) -> bytes | None:
    """Return a PNG file without what its pixels don't need; None for other files."""
    try:
        with opened() as file:
            file.seek(0)
            if file.read(len(SIGNATURE)) != SIGNATURE:
                return None
            return without_extras(SIGNATURE + file.read(_MAX_PNG))
    except Exception:  # the first error is the one that matters
        return None


def _explained(error: Exception, opened: Opened, shown: str) -> ImageError:
    return ImageError(_unidentified(opened, shown) if isinstance(error, UnidentifiedImageError) else _why(shown, error))


def _check_size(shown: str, image: Image.Image, file: BinaryIO, most: int) -> None:
    pixels = image.width * image.height
    if pixels > most:
        raise ImageTooLargeError(f"{shown} is too large: {_mega(pixels)} megapixels is over the limit of {_mega(most)}")
    if image.format in ("JPEG", "MPO"):
        file.seek(0)
        scans = file.read().count(_START_OF_SCAN)
        if scans * pixels > MAX_SCANNED_PIXELS:
            raise ImageTooLargeError(
                f"{shown} is a JPEG of {scans} scans over {_mega(pixels)} megapixels, which takes too long to decode; "
                "save it again"
            )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return rgb_of_deep_grey(image)
    if image.has_transparency_data:
        return _on_white(image if image.mode == "RGBA" else image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # the pixels can be fine even if EXIF is broken
        return None


def _upright(image: Image.Image, orientation: int | None) -> Image.Image:
    if orientation not in _UPRIGHT:
        return image
    upright = image.transpose(_UPRIGHT[orientation])
    upright.info.clear()  # otherwise the next reader of EXIF would rotate it again
    return upright


def _why(shown: str, error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return f"no image file {shown}; check the path"
        case IsADirectoryError():
            return f"{shown} is a folder, not an image; give an image file"
        case PermissionError():
            return f"{shown} can't be read: permission denied; check the file's permissions"
        case Image.DecompressionBombError():
            return f"{shown} is over the limit of {_mega(MAX_PIXELS)} megapixels: {error}"
        case MemoryError():
            return f"{shown} is too large for the memory of this machine"
        case EOFError():
            return f"{shown} is truncated"
    return f"{shown} is truncated" if "truncated" in str(error).lower() else f"{shown} is broken: {error}"


def _unidentified(opened: Opened, shown: str) -> str:
    with opened() as file:
        file.seek(0)
        if not file.read(1):
            return f"{shown} is an empty file"
    return f"{shown} is not an image, or its format is not supported; convert it to PNG or JPEG"


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.1f}"
