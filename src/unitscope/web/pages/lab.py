"""The lab's page as plain values.

In: an `AtlasCache`, an image, stored results. Out: `LabPage`. The activation maps come from the network.
"""

from dataclasses import dataclass

from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.curves import Chart
from unitscope.web.image_files import UPLOAD
from unitscope.web.measurements import Measurements, Table
from unitscope.web.pages.image import Predicted, predictions


@dataclass(frozen=True, slots=True)
class LabPage:
    """The lab.

    Attributes:
        image: the image's id, or ``upload:HASH``.
        predictions: the scan's, the most probable first; empty for an upload, and where there is no classifier.
        layers: names of the atlas's layers, shallow to deep.
        charts: of stored results.
        missing: why there is no network; empty where there is one.
        tables: other stored results.
    """

    image: str
    predictions: tuple[Predicted, ...]
    layers: tuple[str, ...]
    charts: tuple[Chart, ...]
    missing: str
    tables: tuple[Table, ...] = ()


def lab_page(cache: AtlasCache, image: str, *, results: Measurements, missing: str) -> LabPage:
    """Return the data of the lab page for an image of the atlas, or for an upload."""
    known = () if image.startswith(UPLOAD) else predictions(cache, cache.atlas.image_number(image))
    return LabPage(image, known, layer_names(cache), results.charts(), missing, results.tables)


def layer_names(cache: AtlasCache) -> tuple[str, ...]:
    """Return the names of the atlas's layers, shallow to deep."""
    return tuple(layer.name for layer in cache.atlas.layers)
