"""A network that is asked about one picture after another, as pages do: maps, structure, structure without some units.

In: a network and its layers. Out: the plain arrays of `unitscope.display.sheets`. It answers one question at a time,
whatever the number of threads that ask.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unitscope.display.sheets import Change, Structure
from unitscope.engine.devices import on_device
from unitscope.errors import UnitscopeError
from unitscope.experiments.corruptions import Noise
from unitscope.graph import Trace, device_of, trace_of
from unitscope.graph.spatial_maps import Tap, plane, tap
from unitscope.graph.unit_masks import with_masks
from unitscope.images import decode
from unitscope.inspection.maps import prepared_file
from unitscope.inspection.structure import column_of, predictions_of, probabilities_of
from unitscope.networks import CustomPreprocessing, Network, Preprocessing, eval_mode
from unitscope.units import Layer

_AT_ONCE, _COLUMNS = 16, 13
_MOST_CELLS = 2**26  # of all maps of a batch: 256 MB


class NetworkStudio:
    """A network at work for pages, one question at a time.

    Raises:
        NetworkError: if there is no such device.
    """

    missing = ""

    def __init__(self, network: Network, layers: Sequence[Layer], *, device: str = "cpu") -> None:
        self._lock = threading.Lock()
        with on_device(network, device) as placed:
            self._bench = _Bench(placed, trace_of(placed), tuple(layers))

    def maps(self, files: Sequence[Path], layer: Layer, channel: int) -> list[NDArray[np.float32] | None]:
        """Return a unit's map over each file, float32 ``[row, column]``; None for a file that can't be read."""
        with self._lock:
            return self._bench.maps(files, layer, channel)

    def all_maps(
        self, files: Sequence[Path], layers: Sequence[Layer]
    ) -> Iterator[tuple[NDArray[np.float32], ...] | None]:
        """Yield each file's maps of all units, float32 ``[unit, row, column]`` a layer; None if it can't be read.

        Files are run together, which changes values by rounding: by 1e-5 of a layer's greatest or less.
        """
        with self._lock:
            yield from self._bench.all_maps(files, layers)

    def structure(
        self,
        picture: Path | Image.Image,
        *,
        layers: Sequence[Layer] | None = None,
        change: Change | None = None,
        top: int = 9,
    ) -> Structure:
        """Return a picture's structure at some layers, or about 13 of the atlas's, in one pass (paper, algorithm 1).

        Raises:
            ImageError: if the file can't be read.
            LayerError: if a unit to remove does not exist.
        """
        with self._lock:
            shown = _spread(self._bench.layers) if layers is None else layers
            return self._bench.structure(picture, shown, change or Change(), top)


class _Bench:
    """A network, traced, with what was built for it before."""

    def __init__(self, network: Network, traced: Trace, layers: tuple[Layer, ...]) -> None:
        self.network, self.traced, self.layers = network, traced, layers
        self.masked = with_masks(traced, layers)
        self.tap = lru_cache(maxsize=8)(self._tap)

    def _tap(self, layer: Layer) -> Tap:
        return tap(self.network, self.traced, [layer])

    def maps(self, files: Sequence[Path], layer: Layer, channel: int) -> list[NDArray[np.float32] | None]:
        pictures = {
            place: image for place, file in enumerate(files) if (image := prepared_file(self.network, file)) is not None
        }
        found: list[NDArray[np.float32] | None] = [None] * len(files)
        with eval_mode(self.network.module):
            for start in range(0, len(pictures), _AT_ONCE):
                places = list(pictures)[start : start + _AT_ONCE]
                _, (outputs,) = self.tap(layer)(torch.stack([pictures[place] for place in places]))
                for place, output in zip(places, outputs, strict=True):
                    found[place] = plane(output, layer, [channel])[0]
        return found

    def all_maps(
        self, files: Sequence[Path], layers: Sequence[Layer]
    ) -> Iterator[tuple[NDArray[np.float32], ...] | None]:
        run = tap(self.network, self.traced, layers)
        step = min(max(1, _MOST_CELLS // sum(math.prod(layer.shape) for layer in layers)), _AT_ONCE)
        with eval_mode(self.network.module):
            for start in range(0, len(files), step):
                prepared = [prepared_file(self.network, file) for file in files[start : start + step]]
                known = [image for image in prepared if image is not None]
                outputs = zip(*run(torch.stack(known))[1], strict=True) if known else iter(())
                for image in prepared:
                    maps = zip(next(outputs), layers, strict=True) if image is not None else ()
                    yield tuple(plane(output, layer) for output, layer in maps) or None

    def structure(self, picture: Path | Image.Image, layers: Sequence[Layer], change: Change, top: int) -> Structure:
        phi = self.network.preprocessing
        prepared = phi.prepare(decode(picture) if isinstance(picture, Path) else picture)
        noisy = _noisy(phi, prepared, change)
        device = device_of(self.network.module)
        masks = [mask.to(device) for mask in self._masks(change)]
        with eval_mode(self.network.module), torch.inference_mode():
            logits, *maps = self.masked(phi.normalize(noisy[None].to(device)), masks)
        by_name = {layer.name: map_ for layer, map_ in zip(self.layers, maps, strict=True) if map_ is not None}
        return Structure(
            self.network.reference,
            str(picture) if isinstance(picture, Path) else "",
            phi.picture(noisy.round().to(torch.uint8) if change.sigma else prepared),
            predictions_of(self.network, logits),
            tuple(column_of(layer, by_name[layer.name], min(top, layer.units)) for layer in layers),
            probabilities=probabilities_of(logits),
        )

    def _masks(self, change: Change) -> list[Tensor]:
        removed = {name: list(units) for name, units in change.removed.items()}
        masks = []
        for layer in self.layers:
            mask = torch.ones(layer.units)
            mask[removed.get(layer.name, [])] = 0
            masks.append(mask)
        return masks


def _noisy(phi: Preprocessing | CustomPreprocessing, prepared: Tensor, change: Change) -> Tensor:
    if not change.sigma:
        return prepared
    if isinstance(phi, CustomPreprocessing):
        raise UnitscopeError("noise is added on the 0–255 scale, and a preprocessing of your own may have another")
    return Noise(change.sigma).change(prepared, 0, change.seed)


def _spread(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """About 13 layers, evenly spaced, the first and the last among them."""
    places = np.linspace(0, len(layers) - 1, min(len(layers), _COLUMNS)).round().astype(int)
    return tuple(layers[place] for place in places)
