"""Say what a file is that can't be decoded, and what to do with it.

In: the first bytes of a file. Out: a phrase for a message. Independent of Pillow.
"""

import re

LENGTH = 1024
"""Number of bytes to look at."""

_CONVERT = "convert it to PNG or JPEG"
_HEIC = f"a HEIC picture; {_CONVERT}, for example with `pip install pillow-heif` or ImageMagick"
_AVIF = "an AVIF picture, which this Pillow can't read; run `pip install --upgrade pillow`"
_JXL = f"a JPEG XL picture; {_CONVERT}, for example with `djxl` of libjxl"
_VIDEO = "a video; save its frames as images, for example with ffmpeg"
_ARCHIVE = "an archive; unpack it, and give the folder"
_ARRAY = "an array; save it as PNG or TIFF"

_AVIF_START = rb".{4}ftyp(avif|avis)"
# What the beginning of a file matches, and what the file is. The first match counts.
_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), what)
    for pattern, what in (
        (_AVIF_START, _AVIF),
        (rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", _HEIC),
        (rb".{4}ftyp", _VIDEO),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", _JXL),
        (rb"\x1a\x45\xdf\xa3|RIFF.{4}AVI |\0\0\x01[\xb3\xba]", _VIDEO),
        (rb"\s*(<\?xml[^>]*>)?\s*(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>)?\s*<svg", f"an SVG drawing; {_CONVERT}"),
        (rb"\s*(<!DOCTYPE html|<html)", "a web page; perhaps its download failed"),
        (rb"version https://git-lfs", "a pointer of Git LFS; fetch the image with `git lfs pull`"),
        (rb".{128}DICM", "a DICOM file; save its pixels as 16-bit PNG or TIFF, for example with pydicom"),
        (rb"v/1\x01", f"an OpenEXR picture; {_CONVERT}"),
        (rb"#\?(RADIANCE|RGBE)", f"a Radiance picture; {_CONVERT}"),
        (rb"8BPS", f"a Photoshop file; {_CONVERT}"),
        (rb"FUJIFILMCCD-RAW|IIRO|IIRS|IIU\0|\0MRM", "a raw file of a camera; develop it, and save it as JPEG or PNG"),
        (rb"%PDF", f"a PDF; {_CONVERT}"),
        (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf\x27\x1c|Rar!|BZh|\xfd7zXZ|.{257}ustar", _ARCHIVE),
        (rb"\x93NUMPY|\x89HDF", _ARRAY),
    )
)


def what_it_is(start: bytes) -> str:
    """Return what a file is and what to do, by its first `LENGTH` bytes; empty if it is unknown.

    Examples:
        >>> what_it_is(b"8BPS")
        'a Photoshop file; convert it to PNG or JPEG'
    """
    return next((what for pattern, what in _KINDS if pattern.match(start)), "")


def is_avif(start: bytes) -> bool:
    """Return whether a file begins like an AVIF picture, which some builds of Pillow can't read."""
    return re.match(_AVIF_START, start, re.DOTALL) is not None
