"""Activation maps of units for single images, and the resized and cropped images.

In: a session, images, a layer. Out: `ImageMaps`: picture and maps as arrays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.engine.session import Session
from unitscope.graph.spatial_maps import plane
from unitscope.images import ImageSource
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class ImageMaps:
    """A resized and cropped image, uint8 ``[row, column, RGB]``, and maps of some units, ``[unit, row, column]``."""

    picture: NDArray[np.uint8]
    maps: NDArray[np.float32]


def activation_maps(
    session: Session, images: ImageSource, layer: Layer, channels: Sequence[int], *, missing_ok: bool = False
) -> list[ImageMaps | None]:
    """Return each image with the maps of some units of a layer; None for files that can't be decoded.

    Raises:
        ImageAccessError: if an image can't be opened or read, unless ``missing_ok``, which gives None for it.
    """
    found: list[ImageMaps | None] = [None] * len(images)
    tapped, phi = session.layers.find(layer.name), session.network.preprocessing
    for batch, outputs in session.stream(images, maps=[tapped], missing_ok=missing_ok):
        if outputs is not None:
            for picture, output in zip(batch.good, outputs.maps[0], strict=True):
                assert picture.prepared is not None
                found[picture.image] = ImageMaps(phi.picture(picture.prepared), plane(output, tapped, channels))
    return found


def all_maps(
    session: Session, images: ImageSource, layers: Sequence[Layer]
) -> Iterator[tuple[NDArray[np.float32], ...] | None]:
    """Yield each image's maps of all units of some layers, float32 ``[unit, row, column]``; None if it can't be read.

    Images run in batches, which changes values by rounding, at most by 1e-5 of a layer's maximum.
    """
    for batch, outputs in session.stream(images, maps=layers, missing_ok=True):
        by_image = iter(() if outputs is None else zip(*outputs.maps, strict=True))
        for picture in batch.pictures:
            if picture.prepared is None:
                yield None
            else:
                yield tuple(plane(output, layer) for output, layer in zip(next(by_image), layers, strict=True))
