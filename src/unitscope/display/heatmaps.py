"""Convert activation maps to brightness, and overlay them on images.

In: activation maps, float ``[row, column]``, of any sign and range. Out: tones from 0 (dark) to 1 (bright).
Each map has its own scale, so tones show *where* a unit responds; the α next to the map says how strongly.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOUR_MAP = "magma"
PERCENTILE = 99.5
GAMMA = 0.6
MIDDLE = 0.5
DIM, UNDIMMED = 0.3, 0.7
CAPTION = (
    "Tones: each map has its own scale, from its minimum (dark) to the "
    f"{PERCENTILE}th percentile of the values above it (bright), raised to the power {GAMMA}. "
    "A constant map has one tone: dark if it is zero, otherwise medium."
)

Tones = NDArray[np.float32]
Picture = NDArray[np.uint8]


def tone(values: NDArray[Any]) -> Tones:
    """Return tones in [0, 1], in the shape of ``values``: ``clip((a - low) / (high - low), 0, 1) ** GAMMA``.

    ``low`` is the minimum; ``high`` is the `PERCENTILE` of the values above it, so that a few active cells stay bright
    however large the inactive area is. A map that is constant up to float32 rounding says nothing about position: its
    tone is 0 if it is zero, otherwise `MIDDLE`, since its unit may be very active. NaN and infinite values are dark.
    """
    values = np.asarray(values, np.float64)
    is_finite = np.isfinite(values)
    finite = values[is_finite]
    if finite.size == 0 or np.ptp(finite) <= 1e-6 * np.abs(finite).max():
        return np.where(is_finite & finite.any(), np.float32(MIDDLE), np.float32(0))
    low = finite.min()
    high = np.percentile(finite[finite > low], PERCENTILE)
    scaled = np.nan_to_num((values - low) / (high - low), nan=0.0)
    return np.asarray(np.clip(scaled, 0, 1) ** GAMMA, np.float32)


def column_tones(maps: NDArray[Any]) -> Tones:
    """Return the tones of maps ``[rank, row, column]``, each with its own scale; maps of one cell share a scale."""
    if maps.shape[1:] == (1, 1) or len(maps) == 0:
        return tone(maps)
    return np.stack([tone(values) for values in maps])


def overlay(picture: Picture, tones: Tones) -> Picture:
    """Return a picture ``[row, column, RGB]`` that is dim where the tones are dark and unchanged where they are bright.

    Tones are enlarged by bicubic interpolation. A pixel is multiplied by 1 where its tone is `UNDIMMED` or more, by
    `DIM` where it is 0, and in between in proportion.
    """
    rows, columns = picture.shape[:2]
    smooth = Image.fromarray(tones).resize((columns, rows), Image.Resampling.BICUBIC)
    light = DIM + (1 - DIM) * np.clip(np.asarray(smooth) / UNDIMMED, 0, 1)
    return np.asarray(np.round(picture * light[..., None]), np.uint8)
