"""From activations to brightness: dark, sparse maps made readable, and maps laid over pictures.

In: activation maps, float ``[row, column]``, of any sign and range. Out: tones from 0 (dark) to 1 (bright).
Each map is scaled by itself, so tones tell *where* a unit responds; α beside the map tells how much.
"""

from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

COLOUR_MAP = "magma"
PERCENTILE = 99.5
GAMMA = 0.6
MIDDLE = 0.5
CAPTION = (
    "Tones: each map by itself, from its least value (dark) to the "
    f"{PERCENTILE}th percentile of the cells above it (bright), to the power {GAMMA}. "
    "A map that is the same everywhere is flat: dark if it is zero, else of a middle tone."
)

Tones = NDArray[np.float32]
Picture = NDArray[np.uint8]


def tone(values: NDArray[Any]) -> Tones:
    """Return tones in [0, 1], of the shape given: ``clip((a - low) / (high - low), 0, 1) ** GAMMA``.

    ``low`` is the least value, whatever its sign; ``high`` is the `PERCENTILE` of the cells above it, so that
    a few bright cells keep their light however large the dark around them. A map that is constant, but for
    the last digits of float32, says nothing of where: it is flat, dark if all zero and else `MIDDLE`, as its unit may
    be very active. Cells that are not numbers are dark.
    """
    values = np.asarray(values, np.float64)
    sound = np.isfinite(values)
    finite = values[sound]
    if finite.size == 0 or np.ptp(finite) <= 1e-6 * np.abs(finite).max():
        return np.where(sound & finite.any(), np.float32(MIDDLE), np.float32(0))
    low = finite.min()
    high = np.percentile(finite[finite > low], PERCENTILE)
    scaled = np.nan_to_num((values - low) / (high - low), nan=0.0)
    return np.asarray(np.clip(scaled, 0, 1) ** GAMMA, np.float32)


def column_tones(maps: NDArray[Any]) -> Tones:
    """Return tones of a stack ``[rank, row, column]``: each map by itself, but single cells side by side."""
    if maps.shape[1:] == (1, 1) or len(maps) == 0:
        return tone(maps)
    return np.stack([tone(values) for values in maps])


def overlay(picture: Picture, tones: Tones) -> Picture:
    """Return a picture ``[row, column, RGB]`` that glows where the tones, smoothly enlarged, are bright.

    The picture is dimmed so that the glow stands out; the brightest cell covers three quarters of it.
    """
    rows, columns = picture.shape[:2]
    smooth = Image.fromarray(tones).resize((columns, rows), Image.Resampling.BICUBIC)
    light = np.clip(np.asarray(smooth), 0, 1)
    colours = colormaps[COLOUR_MAP](light)[..., :3] * 255
    cover = (0.75 * light**1.5)[..., None]
    return np.asarray(np.round(0.65 * picture * (1 - cover) + colours * cover), np.uint8)
