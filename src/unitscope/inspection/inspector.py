"""Run a network for the explorer, one image at a time; safe to call from several threads.

In: a session and the layers of an atlas. Out: the plain arrays of `unitscope.display`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.analyses.contrast import Baseline
from unitscope.display.structure import Change, Structure
from unitscope.engine.session import Session
from unitscope.images import ImageSource
from unitscope.inspection.structure import evenly_spaced_layers, structure
from unitscope.inspection.unit_maps import activation_maps, all_maps
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class Inspector:
    """A network, and the layers that pages show."""

    session: Session
    layers: tuple[Layer, ...]

    def maps(self, images: ImageSource, layer: Layer, channel: int) -> list[NDArray[np.float32] | None]:
        """Return a unit's map over each image, float32 ``[row, column]``; None for one that can't be read."""
        found = activation_maps(self.session, images, layer, [channel], missing_ok=True)
        return [None if one is None else one.maps[0] for one in found]

    def all_maps(
        self, images: ImageSource, layers: Sequence[Layer]
    ) -> Iterator[tuple[NDArray[np.float32], ...] | None]:
        """Yield each image's maps of all units, as `unit_maps.all_maps` does."""
        return all_maps(self.session, images, layers)

    def structure(
        self,
        picture: Image.Image,
        *,
        layers: Sequence[Layer] | None = None,
        change: Change | None = None,
        top: int = 9,
        contrast_with: Baseline | None = None,
    ) -> Structure:
        """Return a picture's structure at some layers, or about 13 of the atlas's; see `inspection.structure`."""
        shown = evenly_spaced_layers(self.layers) if layers is None else layers
        return structure(self.session, picture, layers=shown, change=change, top=top, contrast_with=contrast_with)
