"""One unit: what it responds to, what to least, how its responses are spread, which units are like it.

In: a `AtlasCache`, a layer and a channel. Out: `UnitPage`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache, Ranked
from unitscope.web.measurements import Measurements

BINS = 60
_CLASSES, _ALIKE = 12, 8


@dataclass(frozen=True, slots=True)
class Histogram:
    """How a unit's responses are spread: how many lie in each bin, from `start` on, each `width` wide."""

    start: float
    width: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClassMean:
    """A unit's mean response to the images of a label."""

    label: str
    name: str
    images: int
    mean: float


@dataclass(frozen=True, slots=True)
class Alike:
    """A unit of the same layer, and the correlation of its responses with this unit's."""

    channel: int
    correlation: float


@dataclass(frozen=True, slots=True)
class UnitPage:
    """A unit; `removal` tells, in words, how the answers changed when it was removed with others, where measured.

    An atlas without responses has neither a histogram nor units alike.
    """

    layer: str
    channel: int
    units: int
    statistics: dict[str, float | int | bool | str | None]
    exemplars: tuple[Ranked, ...]
    lowest: tuple[Ranked, ...]
    histogram: Histogram | None
    classes: tuple[ClassMean, ...]
    alike: tuple[Alike, ...]
    alike_images: int
    removal: tuple[str, ...]
    map_shape: tuple[int, ...]


def unit_page(shelf: AtlasCache, layer: Layer, channel: int, *, results: Measurements = Measurements()) -> UnitPage:  # noqa: B008 (frozen)
    """Return what a unit's page says."""
    alike, images = most_alike(shelf, layer, channel)
    return UnitPage(
        layer.name,
        channel,
        layer.units,
        _statistics(shelf, layer, channel),
        shelf.extremes(layer, channel),
        shelf.extremes(layer, channel, lowest=True),
        _histogram(shelf.responses(layer, channel)) if shelf.atlas.has_responses else None,
        class_means(shelf, layer, channel),
        alike,
        images,
        results.told_of(layer.name, channel),
        layer.shape,
    )


def class_means(shelf: AtlasCache, layer: Layer, channel: int) -> tuple[ClassMean, ...]:
    """Return the labels that a unit responds to most, by its mean α over their images."""
    means = shelf.atlas.class_means[:, shelf.atlas.index.flat(layer, channel)]
    labels = shelf.atlas.manifest.labels
    order = np.argsort(-np.where(np.isfinite(means), means, -np.inf), kind="stable")[:_CLASSES]
    return tuple(
        ClassMean(labels[n].label, labels[n].name, shelf.counts.get(labels[n].label, 0), float(means[n]))
        for n in order
        if np.isfinite(means[n])
    )


def most_alike(shelf: AtlasCache, layer: Layer, channel: int) -> tuple[tuple[Alike, ...], int]:
    """Return the units of a layer whose responses go up and down with this one's, and over how many images.

    By Pearson's correlation over at most 1,024 images; units whose response never changes have none.
    """
    if not shelf.atlas.has_responses:
        return (), 0
    found = _correlations(shelf, layer, channel)
    order = np.argsort(-np.where(np.isfinite(found), found, -np.inf), kind="stable")[:_ALIKE]
    alike = tuple(Alike(int(unit), float(found[unit])) for unit in order if np.isfinite(found[unit]))
    return alike, len(shelf.standardised(layer))


def _correlations(shelf: AtlasCache, layer: Layer, channel: int) -> NDArray[np.float64]:
    """Of a unit with each of its layer; NaN with itself, and where either never changes."""
    standardised = shelf.standardised(layer)
    found: NDArray[np.float64] = np.clip(standardised[:, channel] @ standardised, -1, 1)
    found[channel] = np.nan
    return found


def _histogram(responses: NDArray[np.float32]) -> Histogram:
    low, high = (float(min(0, responses.min())), float(responses.max())) if len(responses) else (0.0, 1.0)
    high = high if high > low else low + 1
    # In float32 the bins of responses that are nearly the same would be narrower than its steps.
    counts = np.histogram(responses.astype(np.float64), BINS, (low, high))[0]
    return Histogram(low, (high - low) / BINS, tuple(counts.tolist()))


def _statistics(shelf: AtlasCache, layer: Layer, channel: int) -> dict[str, float | int | bool | str | None]:
    row = shelf.atlas.units_of(layer).iloc[channel].to_dict()
    wanted = ("count", "mean", "std", "min", "max", "zero_fraction", "dead", "selective_class", "selectivity")
    return {name: _plain(row.get(name)) for name in wanted}


def _plain(value: object) -> float | int | bool | str | None:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return plain if np.isfinite(plain) else None
    return plain if plain is None or isinstance(plain, (int, bool, str)) else str(plain)
