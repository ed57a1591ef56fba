"""The activation maps of all units' exemplars, from one pass over the images.

In: the layers of a site, an inspector. Out: a PNG for each unit: its exemplars' maps side by side.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unitscope.display.heatmaps import tone
from unitscope.display.thumbnails import map_shape, png, shrunk
from unitscope.errors import ImageError
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.image_files import ImageFiles
from unitscope.web.lazy_inspector import LazyInspector


def missing_images_error(count: int, of: int, root: str) -> ImageError:
    """Return the error for images of a site that can't be read."""
    return ImageError(
        f"{count:,} of the {of:,} images to show can't be read in '{root}' any more; give their new folder "
        "with --image-root, or leave out images (--no-images) and activation maps (--no-network)"
    )


@dataclass(frozen=True, slots=True)
class MapStrips:
    """The maps of a site's layers."""

    atlas_cache: AtlasCache
    pictures: ImageFiles
    layers: tuple[Layer, ...]

    def write(
        self,
        folder: Path,
        inspector: LazyInspector,
        rows: Sequence[int],
        *,
        on_batch: Callable[[int], None] = lambda images: None,
    ) -> None:
        """Run the images at these rows once, and write each unit's strip as ``LAYER INDEX/CHANNEL.png``.

        Raises:
            ImageError: if some of the images can't be read.
            NetworkError: if there is no network.
        """
        images = self.pictures.source.take(rows)
        tones, unreadable = {layer.name: self._blank(layer, (1, 1)) for layer in self.layers}, 0
        for row, maps in zip(rows, inspector.get().all_maps(images, self.layers), strict=True):
            for layer, planes in zip(self.layers, maps or (), strict=bool(maps)):
                self._keep(tones, layer, row, planes)
            unreadable += maps is None
            on_batch(1)
        if unreadable:
            raise missing_images_error(unreadable, len(rows), self.pictures.source.root)
        for layer in self.layers:
            self._write_layer(folder / str(layer.index), layer, tones[layer.name])

    def _write_layer(self, folder: Path, layer: Layer, tones: NDArray[np.uint8]) -> None:
        """Write as many maps of each unit, in the same order, as its page shows exemplars."""
        folder.mkdir(parents=True)
        known = self.atlas_cache.extreme_rows(layer).T >= 0
        for channel, maps in enumerate(tones):
            shown = list(maps[known[channel]]) or [np.zeros((1, 1), np.uint8)]
            data = png(np.concatenate(shown, 1).astype(np.float32) / np.float32(255))
            (folder / f"{channel}.png").write_bytes(data)

    def _blank(self, layer: Layer, shape: tuple[int, int]) -> NDArray[np.uint8]:
        return np.zeros((layer.units, len(self.atlas_cache.extreme_rows(layer)), *shape), np.uint8)

    def _keep(self, tones: dict[str, NDArray[np.uint8]], layer: Layer, row: int, planes: NDArray[np.float32]) -> None:
        """Keep the maps over an image of those units that it is an exemplar of, as small as they are shown."""
        exemplars = self.atlas_cache.extreme_rows(layer)
        shape = map_shape(planes.shape[1:])
        if tones[layer.name].shape[2:] != shape:
            tones[layer.name] = self._blank(layer, shape)
        for rank, channel in zip(*np.nonzero(exemplars == row), strict=True):
            tones[layer.name][channel, rank] = np.round(255 * shrunk(tone(planes[channel]), shape)).astype(np.uint8)
