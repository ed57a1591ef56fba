"""Decode an image file to an upright RGB image.

In: a path, bytes, an open file, or a row of an image source. Out: a Pillow image of mode RGB, whatever the file's
format, depth, palette or transparency. Independent of networks; resizing is the preprocessing's job. Safe to
call from several threads; Pillow releases the GIL while it decodes.
"""

import io
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError, features

from unitscope.errors import ImageAccessError, ImageError
from unitscope.images import other_formats
from unitscope.images.bit_depth import grey_to_rgb, is_deep_colour, with_lower_bytes
from unitscope.images.limits import FORMATS, MAX_PIXELS, Limits, check_size, mega, reduce_scale
from unitscope.images.pillow_warnings import without_warnings
from unitscope.images.png_chunks import SIGNATURE, without_extras
from unitscope.images.reading import Opener, checked, open_file, open_row
from unitscope.images.source import ImageSource

Encoded = str | Path | bytes | BinaryIO

MAX_ASPECT = 100
"""Largest ratio of longer to shorter side; resizing a narrower image could fill the memory."""

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
_SUBFILE_TYPE, _PREVIEW = 254, 1  # a tag of TIFF, and its value for a reduced picture
_MAX_PNG = 2**29  # bytes of a PNG file that are read again without its extra chunks


def decode(image: Encoded, limits: Limits | None = None) -> Image.Image:
    """Return the image in a file as RGB and upright; the first frame of an animation.

    Args:
        image: a path, the bytes of an image file, or an open image file, which stays open.
        limits: what is decoded; None for every pixel of any format.

    Raises:
        ImageAccessError: if the file can't be opened or read.
        ImageTooLargeError: if it has too many pixels, or is a JPEG of too many scans.
        ImageError: if it is empty, not an image or damaged.
    """
    return _decode(lambda: checked(lambda: _opened(image), _shown(image)), _shown(image), limits or Limits())


def decode_row(images: ImageSource, row: int, limits: Limits | None = None) -> Image.Image:
    """Return an image of a source, see `decode`.

    Raises:
        ImageError: as in `decode`, or if the source can't open the image.
    """
    return _decode(lambda: open_row(images, row), f"'{images.name(row)}'", limits or Limits())


def pixels_in(image: Encoded, limits: Limits | None = None) -> int:
    """Return the number of pixels of an image file, from its header.

    Raises:
        ImageError: as in `decode`; pixels that can't be read are found by decoding only.
    """
    shown, limits = _shown(image), limits or Limits()
    try:
        with (
            without_warnings(),
            checked(lambda: _opened(image), shown) as file,
            Image.open(file, formats=limits.formats) as opened,
        ):
            check_size(shown, opened, file, limits.pixels)
            return opened.width * opened.height
    except ImageError:
        raise
    except Exception as error:  # as below
        raise _explained(error, lambda: checked(lambda: _opened(image), shown), shown) from error


def pixels_of_plain_jpeg(file: BinaryIO) -> int:
    """Return the number of pixels of a grey or RGB JPEG; 0 for other files and for files that `decode` rejects."""
    try:
        with without_warnings(), Image.open(file, formats=("JPEG",)) as image:
            check_size("", image, file, MAX_PIXELS)
            return image.width * image.height if image.mode in ("RGB", "L") else 0
    except Exception:  # `decode` reports whatever is wrong with the file
        return 0


def apply_orientation(picture: Image.Image, images: ImageSource, row: int) -> Image.Image:
    """Return a picture that is aligned with the stored pixels of an image of a source, rotated as `decode` rotates it.

    A picture that has the shape of the upright image, and not that of the stored one, is returned as it is.

    Raises:
        ImageError: if the image can't be read, or has another shape than the picture, or the source can't open it.
    """
    shown = f"'{images.name(row)}'"
    try:
        with without_warnings(), open_row(images, row) as file, Image.open(file, formats=FORMATS) as image:
            orientation = _orientation(image)
            turned = orientation in _SIDEWAYS and image.width != image.height
            if turned and picture.size == image.size[::-1]:
                return picture
            if _same_shape(picture.size, image.size):
                return _upright(picture, orientation)
            if turned and _same_shape(picture.size, image.size[::-1]):
                return picture
            raise ImageError(f"{shown} has {_size(image.size)} pixels, but its annotations say {_size(picture.size)}")
    except ImageError:
        raise
    except Exception as error:  # as below
        raise _explained(error, lambda: open_row(images, row), shown) from error


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two sizes differ by scaling only, up to a pixel and 1%."""
    height = one[0] * other[1] / other[0]
    return abs(one[1] - height) <= 1 + 0.01 * height


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _opened(image: Encoded) -> AbstractContextManager[BinaryIO]:
    if isinstance(image, (str, Path)):
        return open_file(Path(image))
    return io.BytesIO(image) if isinstance(image, bytes) else nullcontext(image)


def _shown(image: Encoded) -> str:
    return f"'{image}'" if isinstance(image, (str, Path)) else "the picture"


def _decode(opened: Opener, shown: str, limits: Limits) -> Image.Image:
    try:
        return _decode_whole(opened, shown, limits)
    except ImageError:
        raise
    except Exception as error:  # a damaged file can make a decoder raise anything
        if limits.at_least:  # a JPEG 2000 can have fewer scales
            return _decode(opened, shown, replace(limits, at_least=None))
        if (plain := _plain_png(opened)) is not None:
            try:
                return _decode_whole(lambda: io.BytesIO(plain), shown, limits)
            except Exception:
                raise _explained(error, opened, shown) from error
        raise _explained(error, opened, shown) from error


def _decode_whole(opened: Opener, shown: str, limits: Limits) -> Image.Image:
    with without_warnings(), opened() as file, Image.open(file, formats=limits.formats) as image:
        check_size(shown, image, file, limits.pixels)
        _check_is_whole(shown, image)
        if limits.at_least:
            reduce_scale(image, limits.at_least)
        deep = is_deep_colour(image)
        image.load()
        picture = with_lower_bytes(image, file, limits.formats) if deep else image
        if picture is None:
            raise ImageError(f"{shown} is dark, as it does not use all of its 16 bits; convert it to 8 bits a channel")
        return _upright(_to_rgb(picture, file), _orientation(image))


def _plain_png(opened: Opener) -> bytes | None:
    """Return a PNG file without what its pixels don't need; None for other files."""
    try:
        with opened() as file:
            file.seek(0)
            if file.read(len(SIGNATURE)) != SIGNATURE:
                return None
            return without_extras(SIGNATURE + file.read(_MAX_PNG))
    except ImageAccessError:
        raise
    except Exception:  # the first error is the one that matters
        return None


def _explained(error: Exception, opened: Opener, shown: str) -> ImageError:
    return ImageError(_unidentified(opened, shown) if isinstance(error, UnidentifiedImageError) else _why(shown, error))


def _check_is_whole(shown: str, image: Image.Image) -> None:
    """Raise ImageError for a TIFF that begins with a preview, as the raw files of cameras do."""
    if getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0) == _PREVIEW:
        raise ImageError(
            f"{shown} begins with a reduced preview, as raw files of cameras do; develop it, and save it as JPEG or PNG"
        )


def _to_rgb(image: Image.Image, file: BinaryIO) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return grey_to_rgb(image, file)
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
        case Image.DecompressionBombError():
            return f"{shown} is over the limit of {mega(MAX_PIXELS)} megapixels: {error}"
        case MemoryError():
            return f"{shown} is too large for the memory of this machine"
        case EOFError():
            return f"{shown} is truncated"
    return f"{shown} is truncated" if "truncated" in str(error).lower() else f"{shown} is broken: {error}"


def _unidentified(opened: Opener, shown: str) -> str:
    with opened() as file:
        file.seek(0)
        start = file.read(other_formats.LENGTH)
    if not start:
        return f"{shown} is an empty file"
    if other_formats.is_avif(start) and features.check("avif"):
        return f"{shown} is broken"
    if known := other_formats.what_it_is(start):
        return f"{shown} is not an image in a supported format: it is {known}"
    return f"{shown} is not an image, or its format is not supported; convert it to PNG or JPEG"
