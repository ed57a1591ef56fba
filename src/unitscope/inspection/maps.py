"""Units' maps over single images, and the pictures that they belong to.

In: a network, image files, a layer. Out: `ImageMaps`: picture and maps as arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.errors import ImageError
from unitscope.graph import trace_of
from unitscope.graph.spatial_maps import plane, tap
from unitscope.images import decode
from unitscope.networks import Network, eval_mode
from unitscope.units import Layer

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class ImageMaps:
    """One image as the network sees it, uint8 ``[row, column, RGB]``, and some units' maps, ``[unit, row, column]``."""

    picture: NDArray[np.uint8]
    maps: NDArray[np.float32]


def activation_maps(
    network: Network, files: Sequence[Path], layer: Layer, channels: Sequence[int]
) -> list[ImageMaps | None]:
    """Return each file's picture and the maps of some of a layer's units; None for a file that can't be read."""
    prepared = {row: image for row, file in enumerate(files) if (image := prepared_file(network, file)) is not None}
    seen: dict[int, ImageMaps] = {}
    if prepared:
        with eval_mode(network.module):
            traced = trace_of(network)
            tapped = traced.layers.find(layer.name)
            run = tap(network, traced, [tapped])
            for rows in _batches(list(prepared), _AT_ONCE):
                images = [prepared[row] for row in rows]
                _, (outputs,) = run(torch.stack(images))
                for row, image, output in zip(rows, images, outputs, strict=True):
                    seen[row] = ImageMaps(network.preprocessing.picture(image), plane(output, tapped, channels))
    return [seen.get(row) for row in range(len(files))]


def prepared_file(network: Network, file: Path) -> Tensor | None:
    """Return an image file as the network's preprocessing prepares it; None if it can't be read."""
    try:
        return network.preprocessing.prepare(decode(file))
    except (ImageError, OSError):
        return None


def _batches(rows: list[int], size: int) -> list[list[int]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
