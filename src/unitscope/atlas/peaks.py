"""A unit's peaks: the images with the greatest value at a single place of its map, and what that place sees.

In: a unit's column of the stored arrays, its layer and the layer's receptive field. Out: `Peak` values.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.units import Layer, ReceptiveField

PEAK_ARRAYS = ("peak_values", "peak_images", "peak_places")


@dataclass(frozen=True, slots=True)
class Peak:
    """One peak.

    Attributes:
        image: the image's row in the atlas.
        value: the greatest value in the unit's map.
        place: row and column of that value in the map.
        box: top, left, height and width of what the place sees, in pixels of the network's input.
    """

    image: int
    value: float
    place: tuple[int, int]
    box: tuple[float, float, float, float]


def peaks_of(
    layer: Layer,
    field: ReceptiveField,
    values: NDArray[np.float32],
    images: NDArray[np.int64],
    places: NDArray[np.int32],
    *,
    count: int,
) -> tuple[Peak, ...]:
    """Return a unit's peaks, the greatest first, from its columns ``[rank]``; ``count`` is the number of images.

    Raises:
        ValueError: if an image or a place is outside of the atlas or of the map.
    """
    columns = [side for axis, side in enumerate(layer.shape, 1) if axis != layer.unit_axis][1]
    if (images >= count).any() or (places >= math.prod(layer.shape) // layer.units).any():
        raise ValueError("a peak is outside of the images or of the maps")
    known = zip(images.tolist(), values.tolist(), places.tolist(), strict=True)
    found = ((image, value, divmod(place, columns)) for image, value, place in known if image >= 0 and place >= 0)
    return tuple(Peak(image, value, place, field.box(*place)) for image, value, place in found)
