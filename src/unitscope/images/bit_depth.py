"""Scale pictures of more than 8 bits a channel to 8 bits.

In: a Pillow image with deep pixels, and its file. Out: a Pillow image of mode RGB or RGBA.
Cameras, X-ray detectors and depth sensors write 10, 12 or 14 bits into 16; scaled from all 16, their pictures would be
black. Pillow keeps only the upper byte of deep colours, so that the lower one is read here if the upper one has little.
"""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.images.png_chunks import significant_bits

BITS = "bits"
"""The key of a picture's ``info`` for the number of bits from whose range it was scaled."""

_BITS = (8, 10, 12, 14, 16)
_FULL = 2**16 - 1
_VALUES_AT_ONCE = 2**20
_HEADER = 2**16  # bytes of a PNG file in which its bit depth is looked for
_BITS_PER_SAMPLE, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _WHITE_IS_ZERO = 258, 262, 281, 0  # TIFF's tags
_BYTE_ORDERS = {"B": "L", "L": "B", "N": "B"}  # of Pillow's raw modes; the other order gives the lower byte


def grey_to_rgb(image: Image.Image, file: BinaryIO) -> Image.Image:
    """Return a picture of 16-bit, 32-bit or float grey as RGB; the transparent value of a PNG becomes white.

    Integers are scaled from the range of their bits, see `bits_used`, and floats from 0…1. Other values are scaled from
    the lowest to the highest.
    """
    values = np.asarray(image)
    bits = 0 if image.mode == "F" else bits_used(values, known_bits(image, file))
    grey = _to_bytes(values, full=float(2**bits - 1) if bits else 1.0)
    if _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = np.uint8(255) - grey
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    picture = Image.fromarray(grey).convert("RGB")
    picture.info[BITS] = bits
    return picture


def is_deep_colour(image: Image.Image) -> bool:
    """Return whether a picture in colours, not yet loaded, has 16 bits a channel in its file."""
    return any(";16" in _raw_mode(tile.args) for tile in getattr(image, "tile", ()))


def with_lower_bytes(image: Image.Image, file: BinaryIO, formats: tuple[str, ...]) -> Image.Image | None:
    """Return a deep picture of mode RGB or RGBA, scaled from the range of its bits; None if Pillow can't read them.

    Args:
        image: the picture as Pillow loads it, with the upper byte of each value.
        file: its file.
        formats: Pillow's names of the formats to read.
    """
    upper = np.asarray(image)
    if image.mode not in ("RGB", "RGBA") or upper[..., :3].max(initial=0) >= 2 ** (14 - 8):
        return image  # it uses more than 14 bits
    if (lower := _lower_bytes(file, formats)) is None:
        return None
    colours = upper[..., :3].astype(np.uint16) * 256 + lower[..., :3]
    bits = bits_used(colours, known_bits(image, file))
    scaled = np.concatenate([_to_bytes(colours, full=2**bits - 1), upper[..., 3:]], -1)
    picture = Image.fromarray(np.ascontiguousarray(scaled))
    picture.info[BITS] = bits
    return picture


def bits_used(values: NDArray[Any], known: int = 0) -> int:
    """Return how many bits integers from 0 use: 8, 10, 12, 14 or 16, but at least as many as are known."""
    highest = int(values.max(initial=0))
    return next((bits for bits in _BITS if highest < 2**bits and bits >= known), 16)


def known_bits(image: Image.Image, file: BinaryIO) -> int:
    """Return the number of bits that a file says to use; 0 if it says nothing."""
    if image.format == "PPM":
        return 16  # Pillow has scaled it
    if image.format == "PNG":
        file.seek(0)
        return significant_bits(file.read(_HEADER))
    tags = _tags(image)
    bits = max(_numbers(tags.get(_BITS_PER_SAMPLE)), default=0)
    brightest = max(_numbers(tags.get(_MAX_SAMPLE_VALUE)), default=_FULL)
    return min(bits if bits < 16 else 0 if brightest >= _FULL else brightest.bit_length(), 16)


def _to_bytes(values: NDArray[Any], *, full: float) -> NDArray[np.uint8]:
    """Scale 0…full to 0…255; if values are out of that range, scale minimum…maximum instead.

    It works in blocks of rows, since a whole picture in float64 could fill the memory.
    """
    rows = max(1, _VALUES_AT_ONCE // max(values[:1].size, 1))
    blocks = [slice(start, start + rows) for start in range(0, len(values), rows)]
    ranges = [found for block in blocks if (found := _finite_range(values[block]))]
    low, high = (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else (0.0, full)
    if low >= 0 and high <= full:
        low, high = 0.0, full
    scaled, factor = np.empty(values.shape, np.uint8), 255 / ((high - low) or 1.0)
    for block in blocks:
        wide = (values[block].astype(np.float64) - low) * factor
        scaled[block] = np.rint(np.nan_to_num(wide, nan=0, posinf=255, neginf=0))
    return scaled


def _finite_range(values: NDArray[Any]) -> tuple[float, float] | None:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def _lower_bytes(file: BinaryIO, formats: tuple[str, ...]) -> NDArray[np.uint8] | None:
    """Return what Pillow loads if it takes the bytes of each value in the other order; None if it can't."""
    file.seek(0)
    with Image.open(file, formats=formats) as again:
        again.tile = [tile._replace(args=_swapped(tile.args)) for tile in again.tile]  # type: ignore[attr-defined]
        try:
            again.load()
        except (ValueError, KeyError):  # a raw mode that it doesn't know in that order
            return None
        return np.asarray(again)


def _swapped(arguments: Any) -> Any:
    mode = _raw_mode(arguments)
    other = mode[:-1] + _BYTE_ORDERS[mode[-1]]
    return other if isinstance(arguments, str) else (other, *arguments[1:])


def _raw_mode(arguments: Any) -> str:
    return str(arguments if isinstance(arguments, str) else next(iter(arguments or ("",))))


def _tags(image: Image.Image) -> dict[int, Any]:
    """Return the tags of a TIFF file; none for other files."""
    return dict(getattr(image, "tag_v2", {}))


def _numbers(value: Any) -> list[int]:
    listed = value if isinstance(value, tuple) else (value,)
    return [int(number) for number in listed if isinstance(number, int | float) and number > 0]
