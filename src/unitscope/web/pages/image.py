"""The page of an image.

In: an `AtlasCache` and a row. Out: `ImagePage`. The activation maps come from the network, if any.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from unitscope.analyses.contrast import CONTRAST, RESPONSE, Baseline, top_by
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache

_TOP = 9


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image's row, id and labels."""

    row: int
    image: str
    label: str


@dataclass(frozen=True, slots=True)
class Predicted:
    """One of an image's most probable classes; `label` is the atlas's label for it, if images have it."""

    name: str
    probability: float
    label: str


@dataclass(frozen=True, slots=True)
class TopUnits:
    """The units of a layer with the highest contrasts to an image, or the highest responses; then without contrasts."""

    layer: str
    units: tuple[int, ...]
    responses: tuple[float, ...]
    contrasts: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ImagePage:
    """An image; `error` says why it could not be read, and is empty otherwise."""

    row: int
    image: str
    labels: tuple[tuple[str, str], ...]
    width: int
    height: int
    error: str
    predictions: tuple[Predicted, ...]
    correct: bool | None
    layers: tuple[TopUnits, ...]
    previous: str
    following: str
    ranking: str = RESPONSE


def image_page(cache: AtlasCache, image: str, *, rank: str = "") -> ImagePage:
    """Return the values of an image's page, with units ranked as `AtlasCache.baseline_for` says.

    Raises:
        ImageError: if the atlas has no such image.
    """
    row = cache.atlas.image_number(image)
    facts = cache.atlas.images.iloc[row]
    error = str(facts["error"])
    has_units = not error and cache.atlas.has_responses
    baseline = cache.baseline_for(rank)
    return ImagePage(
        row,
        image,
        tuple(zip(facts["labels"], facts["label_names"], strict=True)),
        int(facts["width"]),
        int(facts["height"]),
        error,
        predictions(cache, row),
        None if pd.isna(facts["correct"]) else bool(facts["correct"]),
        tuple(_top_units(cache, layer, row, baseline) for layer in cache.atlas.layers) if has_units else (),
        cache.ids[row - 1] if row else "",
        cache.ids[row + 1] if row + 1 < len(cache.ids) else "",
        RESPONSE if baseline is None else CONTRAST,
    )


def image_entries(cache: AtlasCache, rows: "range | list[int]") -> tuple[ImageEntry, ...]:
    """Return images by their rows."""
    return tuple(ImageEntry(int(row), cache.ids[row], cache.label_names[row]) for row in rows)


def predictions(cache: AtlasCache, row: int) -> tuple[Predicted, ...]:
    """Return an image's most probable classes, from the scan; none if the network is not a classifier."""
    facts, classes = cache.atlas.images.iloc[row], cache.atlas.manifest.classes
    return tuple(
        Predicted(classes[n] if n < len(classes) else str(n), float(probability), cache.label_of_class.get(int(n), ""))
        for n, probability in zip(facts["top5_classes"], facts["top5_probabilities"], strict=True)
    )


def _top_units(cache: AtlasCache, layer: Layer, row: int, baseline: Baseline | None) -> TopUnits:
    responses = cache.atlas.responses(layer, np.array([row]))[0]
    contrasts = None if baseline is None else baseline.contrasts(layer, responses)
    units = top_by(responses if contrasts is None else contrasts, _TOP)
    known = () if contrasts is None else tuple(contrasts[units].tolist())
    return TopUnits(layer.name, tuple(units.tolist()), tuple(responses[units].tolist()), known)
