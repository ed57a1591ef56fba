"""Thumbnails of images, cropped as for the network, and activation maps in colour.

In: image files, the preprocessing of an atlas, activation maps. Out: bytes of WebP and PNG files. No torch.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from unitscope.display.heatmaps import COLOUR_MAP, tone
from unitscope.errors import ImageError
from unitscope.images.decoding import MAX_ASPECT

SMALL, LARGE = 96, 320
"""Longer side of a thumbnail and of a large picture, in pixels."""
MAX_CELLS = 56
"""Maps with more rows or columns are downscaled, since no page shows them larger."""

_COLOURS = (colormaps[COLOUR_MAP](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes()


def thumbnail(picture: Image.Image, preprocessing: Mapping[str, Any], side: int) -> bytes:
    """Return a picture as the network sees it, WebP; ``side`` is the longer side in pixels.

    Raises:
        ImageError: if it is too narrow to be shown.
    """
    return webp(crop_for_network(picture, preprocessing, side))


def webp(picture: Image.Image) -> bytes:
    """Return a picture as the bytes of a WebP file."""
    with io.BytesIO() as buffer:
        picture.save(buffer, "WEBP", quality=82, method=4)
        return buffer.getvalue()


def crop_for_network(picture: Image.Image, preprocessing: Mapping[str, Any], side: int) -> Image.Image:
    """Return the part of a picture that a preprocessing keeps; ``side`` is the longer side in pixels.

    Like `Preprocessing`, resize the picture and crop its centre, with black margins where it is too small. A custom
    preprocessing is unknown, so the whole picture is returned.

    Raises:
        ImageError: if the longer side is over `MAX_ASPECT` times the shorter side.
    """
    if max(picture.size) > MAX_ASPECT * min(picture.size):
        raise ImageError(f"a picture of {picture.width}×{picture.height} pixels is too narrow to be shown")
    resize, crop = preprocessing.get("resize"), preprocessing.get("crop")
    if resize is None:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        return picture
    height, width = _resized(picture, resize)
    rows, columns = _pair(crop) if crop else (height, width)
    scale = side / max(rows, columns)
    shown = Image.new("RGB", (max(1, round(columns * scale)), max(1, round(rows * scale))))
    # The part of the resized picture inside the crop, and its offset in the crop, in pixels of the resized picture.
    left, top = round((width - columns) / 2), round((height - rows) / 2)
    box = (max(left, 0), max(top, 0), min(left + columns, width), min(top + rows, height))
    size = (max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale)))
    across, down = picture.width / width, picture.height / height
    part = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    kept = picture.resize(size, Image.Resampling.LANCZOS, box=part, reducing_gap=3)
    shown.paste(kept, (round((box[0] - left) * scale), round((box[1] - top) * scale)))
    return shown


def input_size(preprocessing: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return rows and columns of the network's input that `crop_for_network` shows; None if it shows other pixels."""
    side = preprocessing.get("crop") or preprocessing.get("resize")
    fixed = preprocessing.get("crop") or isinstance(side, (list, tuple))
    return _pair(side) if fixed else None


def pixels_needed(preprocessing: Mapping[str, Any], side: int) -> int:
    """Return how many pixels the shorter side of a picture needs for `crop_for_network` to lose nothing visible.

    They are twice those shown, as each shown pixel averages several.
    """
    resize, crop = preprocessing.get("resize"), preprocessing.get("crop")
    if resize is None:
        return 2 * side
    longest = max(_pair(resize))
    return math.ceil(2 * side * longest / max(_pair(crop) if crop else _pair(resize)))


def strip(maps: Sequence[NDArray[np.float32] | None], shape: tuple[int, int]) -> bytes:
    """Return maps ``[row, column]`` side by side in colour, as PNG bytes; each has its own scale, see `tone`.

    None becomes a dark map.
    """
    rows, columns = shape
    small = [np.zeros(shape, np.float32) if map_ is None else shrunk(tone(map_), shape) for map_ in maps]
    return png(np.concatenate(small, 1) if small else np.zeros((rows, columns), np.float32))


def map_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Return the rows and columns at which a map of this shape is shown."""
    scale = max(1.0, max(shape) / MAX_CELLS)
    return max(1, round(shape[0] / scale)), max(1, round(shape[1] / scale))


def shrunk(tones: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return tones resized to this shape by averaging."""
    if tones.shape == shape:
        return tones
    return np.asarray(Image.fromarray(tones).resize(shape[::-1], Image.Resampling.BOX))


def png(tones: NDArray[np.float32]) -> bytes:
    """Return tones in [0, 1] in colour, as the bytes of a PNG file with a palette."""
    picture = Image.fromarray(np.round(np.clip(tones, 0, 1) * 255).astype(np.uint8))
    picture.putpalette(_COLOURS)
    with io.BytesIO() as buffer:
        picture.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def _resized(picture: Image.Image, resize: Any) -> tuple[int, int]:
    if isinstance(resize, (list, tuple)):
        return int(resize[0]), int(resize[1])
    scale = resize / min(picture.height, picture.width)
    return max(1, int(picture.height * scale)), max(1, int(picture.width * scale))


def _pair(side: Any) -> tuple[int, int]:
    return (int(side[0]), int(side[1])) if isinstance(side, (list, tuple)) else (int(side), int(side))
