"""The page of a unit: its exemplars, lowest images, distribution of responses, and similar units.

In: an `AtlasCache`, a layer and a channel. Out: `UnitPage`.
"""

from dataclasses import dataclass

import numpy as np

from unitscope.analyses.selectivity import SELECTIVITY
from unitscope.analyses.split_half import split_half
from unitscope.analyses.unit_correlation import similar_units
from unitscope.analyses.unit_responses import response_histogram, unit_class_means
from unitscope.units import Layer, Unit
from unitscope.web.atlas_cache import AtlasCache, PeakImage, RankedImage
from unitscope.web.measurements import Measurements

_CLASSES, _SIMILAR = 12, 8
_HALVED_IMAGES = 100_000  # to compare halves of the images: about half a second


@dataclass(frozen=True, slots=True)
class Histogram:
    """The histogram of a unit's responses: the count in each bin; bins begin at `start` and are `width` wide."""

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
class SimilarUnit:
    """A unit of the same layer, and the correlation of its responses with this unit's."""

    channel: int
    correlation: float


@dataclass(frozen=True, slots=True)
class UnitPage:
    """The values of a unit's page; `peaks` are empty if they are unknown, and `input_size` is the network's.

    `removal` has a sentence for each stored ablation that removed the unit.

    `stability` says how well halves of the images agree on the unit's preferences; empty without labels.

    `notes` says what the exemplars don't show, and whether the unit is a class; see `ExemplarSheet.note`.

    Without stored responses, there is no histogram, and there are no similar units.
    """

    layer: str
    channel: int
    units: int
    statistics: dict[str, float | int | bool | str | None]
    exemplars: tuple[RankedImage, ...]
    peaks: tuple[PeakImage, ...]
    input_size: tuple[int, int] | None
    lowest: tuple[RankedImage, ...]
    histogram: Histogram | None
    classes: tuple[ClassMean, ...]
    alike: tuple[SimilarUnit, ...]
    alike_images: int
    removal: tuple[str, ...]
    map_shape: tuple[int, ...]
    stability: str
    notes: str


def unit_page(cache: AtlasCache, layer: Layer, channel: int, *, results: Measurements = Measurements()) -> UnitPage:  # noqa: B008 (frozen)
    """Return the values of a unit's page."""
    similar, images = _similar(cache, layer, channel)
    return UnitPage(
        layer.name,
        channel,
        layer.units,
        _statistics(cache, layer, channel),
        cache.extremes(layer, channel),
        cache.peaks(layer, channel),
        cache.input_size,
        cache.extremes(layer, channel, lowest=True),
        _histogram(cache, layer, channel),
        _classes(cache, Unit(layer.name, channel)),
        similar,
        images,
        results.removal_notes(layer.name, channel),
        layer.shape,
        _stability(cache, layer, channel),
        cache.exemplar_note(layer, channel),
    )


def _histogram(cache: AtlasCache, layer: Layer, channel: int) -> Histogram | None:
    if not cache.atlas.has_responses:
        return None
    counts, edges = response_histogram(cache.responses(layer, channel))
    return Histogram(float(edges[0]), float(edges[-1] - edges[0]) / len(counts), tuple(counts.tolist()))


def _classes(cache: AtlasCache, unit: Unit) -> tuple[ClassMean, ...]:
    rows = unit_class_means(cache.atlas, unit).head(_CLASSES)
    return tuple(ClassMean(*row) for row in rows.itertuples(index=False, name=None))


def _stability(cache: AtlasCache, layer: Layer, channel: int) -> str:
    """Return in words how well halves of the images agree; empty without labels or responses, or for many images."""
    atlas = cache.atlas
    if not atlas.has_responses or not atlas.manifest.labels or len(atlas.images) > _HALVED_IMAGES:
        return ""
    groups = cache.labelled_groups
    return split_half(cache.responses(layer, channel)[groups.rows], groups).note


def _similar(cache: AtlasCache, layer: Layer, channel: int) -> tuple[tuple[SimilarUnit, ...], int]:
    """Return the units that are most correlated with a unit, and over how many images."""
    if not cache.atlas.has_responses:
        return (), 0
    unit = Unit(layer.name, channel)
    found = similar_units(cache.atlas, unit, _SIMILAR, standardized=cache.standardized(layer))
    return tuple(SimilarUnit(*row) for row in found.units.itertuples(index=False, name=None)), found.images


def _statistics(cache: AtlasCache, layer: Layer, channel: int) -> dict[str, float | int | bool | str | None]:
    row, selectivity = cache.atlas.units_of(layer).iloc[channel].to_dict(), cache.selectivity(layer)
    classes = {} if selectivity is None else selectivity.iloc[channel].to_dict()
    known = {name: _plain(row[name]) for name in ("count", "mean", "std", "min", "max", "zero_fraction", "dead")}
    return known | {name: _plain(classes.get(name)) for name in (*SELECTIVITY, "shuffled")}


def _plain(value: object) -> float | int | bool | str | None:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return plain if np.isfinite(plain) else None
    return plain if plain is None or isinstance(plain, (int, bool, str)) else str(plain)
