"""What the lab and the camera's page know when they open; the rest the network tells.

In: a `AtlasCache`, an image, what was measured before. Out: `LabPage`, `LivePage`.
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
        charts: what was measured over a data set before.
        missing: why there is no network; empty where there is one.
        tables: other stored results.
    """

    image: str
    predictions: tuple[Predicted, ...]
    layers: tuple[str, ...]
    charts: tuple[Chart, ...]
    missing: str
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class LivePage:
    """The camera's page.

    Attributes:
        layers: names of the atlas's layers, shallow to deep.
        top: how many units of a layer it shows.
        missing: why there is no network; empty where there is one.
    """

    layers: tuple[str, ...]
    top: int
    missing: str


def lab_page(cache: AtlasCache, image: str, *, results: Measurements, missing: str) -> LabPage:
    """Return what the lab says of an image of the atlas, or of an upload."""
    known = () if image.startswith(UPLOAD) else predictions(cache, cache.atlas.image_number(image))
    return LabPage(image, known, _layers(cache), results.charts(), missing, results.tables)


def live_page(cache: AtlasCache, *, top: int, missing: str) -> LivePage:
    """Return what the camera's page says."""
    return LivePage(_layers(cache), top, missing)


def _layers(cache: AtlasCache) -> tuple[str, ...]:
    return tuple(layer.name for layer in cache.atlas.layers)
