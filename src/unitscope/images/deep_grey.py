"""Convert grey images of more than eight bits a pixel to RGB.

In: a Pillow image of mode I, I;16 or F. Out: one of mode RGB. Works on blocks of rows, since float64 values of a whole
image would take eight times its memory.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BLOCK = 2**20  # pixels


def rgb_of_deep_grey(image: Image.Image) -> Image.Image:
    """Return 16-bit, 32-bit or float grey values as RGB; the transparent value that a PNG can define becomes white."""
    values = np.asarray(image)
    grey = _to_bytes(values, full=1.0 if image.mode == "F" else 65535.0)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey).convert("RGB")


def _to_bytes(values: NDArray[Any], *, full: float) -> NDArray[np.uint8]:
    """Scale 0…full to 0…255; if values are out of that range, scale minimum…maximum instead."""
    rows = max(1, _BLOCK // values.shape[1])
    blocks = [values[start : start + rows] for start in range(0, len(values), rows)]
    ends = np.array([_ends(block) for block in blocks])
    low, high = (ends[:, 0].min(), ends[:, 1].max()) if np.isfinite(ends).any() else (0.0, full)
    if low >= 0 and high <= full:
        low, high = 0.0, full
    grey = np.empty(values.shape, np.uint8)
    for number, block in enumerate(blocks):
        scaled = (block.astype(np.float64) - low) * (255 / ((high - low) or 1.0))
        grey[number * rows : (number + 1) * rows] = np.rint(np.nan_to_num(scaled, nan=0, posinf=255, neginf=0))
    return grey


def _ends(block: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest finite value; infinity and minus infinity if there is none."""
    finite = block[np.isfinite(block)].astype(np.float64)
    return (finite.min(), finite.max()) if finite.size else (np.inf, -np.inf)
