"""The activation maps of all units' exemplars, from one pass over the images.

In: the layers of a site, a studio. Out: a PNG for each unit: its exemplars' maps side by side.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unitscope.thumbnails import map_shape, png, shrunk
from unitscope.tones import tone
from unitscope.units import Layer
from unitscope.web.pictures import Pictures
from unitscope.web.shelf import Shelf
from unitscope.web.studio import Studio


@dataclass(frozen=True, slots=True)
class Strips:
    """The maps of a site's layers."""

    shelf: Shelf
    pictures: Pictures
    layers: tuple[Layer, ...]

    def write(self, folder: Path, studio: Studio, rows: tuple[int, ...]) -> None:
        """Run the images at these rows once, and write each unit's strip as ``LAYER INDEX/CHANNEL.png``."""
        files = [self.pictures.file(self.shelf.ids[row]) for row in rows]
        tones: dict[str, NDArray[np.uint8]] = {}
        for row, maps in zip(rows, studio.all_maps(files, self.layers), strict=True):
            for layer, planes in zip(self.layers, maps or (), strict=bool(maps)):
                self._keep(tones, layer, row, planes)
        for layer in self.layers:
            (folder / str(layer.index)).mkdir(parents=True)
            of_layer = tones.get(layer.name, np.zeros((layer.units, 1, 1, 1), np.uint8))
            for channel, strip in enumerate(of_layer):
                data = png(np.concatenate(strip, 1).astype(np.float32) / np.float32(255))
                (folder / str(layer.index) / f"{channel}.png").write_bytes(data)

    def _keep(self, tones: dict[str, NDArray[np.uint8]], layer: Layer, row: int, planes: NDArray[np.float32]) -> None:
        """Keep the maps over an image of those units that it is an exemplar of, as small as they are shown."""
        exemplars = self.shelf.extreme_rows(layer)
        shape = map_shape(planes.shape[1:])
        if layer.name not in tones:
            tones[layer.name] = np.zeros((layer.units, len(exemplars), *shape), np.uint8)
        for rank, channel in zip(*np.nonzero(exemplars == row), strict=True):
            tones[layer.name][channel, rank] = np.round(255 * shrunk(tone(planes[channel]), shape)).astype(np.uint8)
