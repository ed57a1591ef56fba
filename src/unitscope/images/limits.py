"""What is decoded of an image file: how many pixels, of which formats, and at which scale.

In: an opened Pillow image, of which the header was read. Out: an error if it is too much to decode; the image, set to
be decoded smaller.
"""

import re
from dataclasses import dataclass
from os import SEEK_END
from typing import BinaryIO

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from unitscope.errors import ImageTooLargeError

MAX_PIXELS = 178_956_970
"""Pillow's limit against decompression bombs; it applies even if ``Image.MAX_IMAGE_PIXELS`` was raised."""

MAX_SCANNED_PIXELS = 3_000_000_000
"""Largest product of a JPEG's pixels and scans: it decodes in seconds, and a usual progressive one has 10 scans."""

# Pillow's other formats are left out: EPS runs Ghostscript on the file, and many have no decoder.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "ICO")

UNTRUSTED = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""The formats for pictures of strangers. An ICO is decoded when it is opened, and JPEG 2000 stops all other threads."""

# A marker of a JPEG, other than those inside a scan and those without a length.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_SCAN_BYTES = 10  # a scan has this many bytes or more, with its marker
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded of a file.

    Attributes:
        pixels: the maximum number of pixels.
        at_least: for thumbnails: a JPEG or JPEG 2000 may be decoded smaller, to this many pixels of its shorter side or
            more, which is faster. None decodes every pixel.
        formats: Pillow's names of the formats.
    """

    pixels: int = MAX_PIXELS
    at_least: int | None = None
    formats: tuple[str, ...] = FORMATS


def check_size(shown: str, image: Image.Image, file: BinaryIO, most: int) -> None:
    """Check the pixels of an image before they are decoded, and the scans of a JPEG, each of which goes over them.

    Raises:
        ImageTooLargeError: if there are too many; ``shown`` is the image's name in its message.
    """
    pixels = image.width * image.height
    if pixels > most:
        raise ImageTooLargeError(f"{shown} is too large: {mega(pixels)} megapixels is over the limit of {mega(most)}")
    if image.format in ("JPEG", "MPO") and not _is_one_scan(image, file) and _may_have_many(file, pixels):
        file.seek(0)
        scans = _scans(file.read())
        if scans * pixels > MAX_SCANNED_PIXELS:
            raise ImageTooLargeError(
                f"{shown} is a JPEG of {scans} scans over {mega(pixels)} megapixels, which takes too long to decode; "
                "save it again"
            )


def _is_one_scan(image: Image.Image, file: BinaryIO) -> bool:
    """Return whether a JPEG is sequential and its first scan has all channels, after which a decoder stops.

    Pillow leaves the file behind the header of the first scan; its length, channels and three bytes.
    """
    channels = getattr(image, "layers", 0)
    if image.format != "JPEG" or "progressive" in image.info or not channels:
        return False
    length = 6 + 2 * channels
    file.seek(max(0, file.tell() - length - 2))
    return file.read(5) == bytes((0xFF, _START_OF_SCAN, 0, length, channels))


def _may_have_many(file: BinaryIO, pixels: int) -> bool:
    return file.seek(0, SEEK_END) // _SCAN_BYTES * pixels > MAX_SCANNED_PIXELS


def _scans(jpeg: bytes) -> int:
    """Return the number of scans up to the end of the image; cameras append videos and other images to it."""
    count, place = 0, 0
    while found := _MARKER.search(jpeg, place):
        marker, place = jpeg[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            break
        count += marker == _START_OF_SCAN
        place += int.from_bytes(jpeg[place : place + 2], "big")
    return count


def reduce_scale(image: Image.Image, at_least: int) -> None:
    """Let the decoder reduce the sides of a JPEG by up to 8, or those of a JPEG 2000 by up to 4."""
    if isinstance(image, Jpeg2KImageFile):
        image.reduce = max(0, min(2, (min(image.size) // at_least).bit_length() - 1))
    else:
        image.draft(None, (at_least, at_least))


def mega(pixels: int) -> str:
    """Return a number of pixels in millions, as text."""
    return f"{pixels / 1e6:.1f}"
