"""The lab's page as plain values.

In: an `AtlasCache`, images, addresses of units, stored results. Out: `LabPage`, the units to remove. The activation
maps come from the network.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unitscope.errors import UnitscopeError
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.curves import Chart
from unitscope.web.image_files import UPLOAD
from unitscope.web.measurements import Measurements, Table
from unitscope.web.pages.image import Predicted, predictions

MAX_IMAGES = 4
"""How many images may be compared at once."""
_CALL = re.compile(r"act:-?\d{1,9}")


@dataclass(frozen=True, slots=True)
class LabImage:
    """An image in the lab.

    Attributes:
        image: the image's id, or ``upload:HASH``.
        predictions: the scan's, the most probable first; empty for an upload, and where there is no classifier.
    """

    image: str
    predictions: tuple[Predicted, ...]


@dataclass(frozen=True, slots=True)
class LabPage:
    """The lab.

    Attributes:
        images: the images, at most `MAX_IMAGES`.
        layers: names of the atlas's layers, shallow to deep.
        charts: of stored results.
        missing: why there is no network; empty where there is one.
        tables: other stored results.
    """

    images: tuple[LabImage, ...]
    layers: tuple[str, ...]
    charts: tuple[Chart, ...]
    missing: str
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """A unit to remove, or a whole layer if there is no `channel`."""

    layer: Layer
    channel: int | None = None

    def __str__(self) -> str:
        return self.layer.name if self.channel is None else f"{self.layer.name}:{self.channel}"

    @property
    def channels(self) -> Sequence[int]:
        """The units."""
        return range(self.layer.units) if self.channel is None else (self.channel,)


def lab_page(cache: AtlasCache, images: Sequence[str], *, results: Measurements, missing: str) -> LabPage:
    """Return the data of the lab page for images of the atlas and uploads.

    Raises:
        UnitscopeError: if there are more than `MAX_IMAGES`.
        ImageError: if the atlas has no such image.
    """
    if len(images) > MAX_IMAGES:
        raise UnitscopeError(f"the lab shows at most {MAX_IMAGES} images, not {len(images)}; leave out some")
    shown = tuple(LabImage(image, _predictions(cache, image)) for image in images)
    return LabPage(shown, layer_names(cache), results.charts(), missing, results.tables)


def _predictions(cache: AtlasCache, image: str) -> tuple[Predicted, ...]:
    return () if image.startswith(UPLOAD) else predictions(cache, cache.atlas.image_number(image))


def removals(cache: AtlasCache, addresses: Iterable[str]) -> tuple[Removal, ...]:
    """Return what some addresses name, without repetitions: ``LAYER:UNIT``, or a layer for all of its units.

    Raises:
        LayerError: if the atlas has no such layer or unit.
    """
    return tuple(dict.fromkeys(_removal(cache, address) for address in addresses))


def _removal(cache: AtlasCache, address: str) -> Removal:
    if ":" not in address or _CALL.fullmatch(address):
        return Removal(cache.atlas.find(address))
    return Removal(*cache.atlas.unit(address))


def units_by_layer(removals: Iterable[Removal]) -> dict[str, list[int]]:
    """Return the units to remove, by the name of their layer."""
    units: dict[str, set[int]] = {}
    for one in removals:
        units.setdefault(one.layer.name, set()).update(one.channels)
    return {name: sorted(channels) for name, channels in units.items()}


def layer_names(cache: AtlasCache) -> tuple[str, ...]:
    """Return the names of the atlas's layers, shallow to deep."""
    return tuple(layer.name for layer in cache.atlas.layers)
