"""One class of images at one layer: its images, the units that stand out for it, how sparse it is.

In: an `AtlasCache`, a label, a layer. Out: `ClassPage`.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from unitscope.analyses.class_contrast import class_inhibition
from unitscope.analyses.image_groups import CLASS, class_rows, find_class, image_group
from unitscope.analyses.independent_images import check_independence
from unitscope.analyses.inhibition import Inhibition
from unitscope.analyses.selection import TopK
from unitscope.analyses.selectivity import selective_units
from unitscope.analyses.sparsity import mean_distributions
from unitscope.analyses.unit_rules import intersection
from unitscope.errors import DamagedAtlasError, UnitscopeError
from unitscope.text import count_noun
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.number_format import number
from unitscope.web.pages.annotated_unit import AnnotatedUnit, annotated_unit
from unitscope.web.pages.image import ImageEntry, image_entries

IMAGES = 24
_UNITS = 12
_SHUFFLED_RESPONSES = 100_000_000  # of a layer, to compare with shuffled labels: they are read in about a second
_SHARED_FRACTION = 0.9  # of a class's images, for a unit to be shared by them


@dataclass(frozen=True, slots=True)
class UnitList:
    """Units that an analysis found; `note` says what was computed, or why it could not be."""

    note: str
    units: tuple[AnnotatedUnit, ...] = ()


@dataclass(frozen=True, slots=True)
class MeanHistograms:
    """Histograms of the units' mean responses: over the class, and over all images."""

    edges: tuple[float, ...]
    of_class: tuple[int, ...]
    of_all: tuple[int, ...]
    zero_fraction: float
    gini: float
    treves_rolls: float


@dataclass(frozen=True, slots=True)
class ClassPage:
    """A label of the images at one layer."""

    label: str
    name: str
    layer: str
    images: int
    correct: int | None
    shown: tuple[ImageEntry, ...]
    selective: UnitList
    shared: UnitList
    inhibitory: UnitList
    spread: MeanHistograms


def class_page(cache: AtlasCache, label: str, layer: Layer) -> ClassPage:
    """Return the values of a class's page.

    Raises:
        UnitscopeError: if there is no such class, or none of its images could be read.
    """
    found = cache.atlas.manifest.labels[find_class(cache.atlas, label)]
    rows = class_rows(cache.atlas, found.label)
    judged = cache.atlas.images["correct"].iloc[rows].dropna()
    return ClassPage(
        found.label,
        found.name,
        layer.name,
        len(rows),
        int(judged.sum()) if len(judged) else None,
        image_entries(cache, rows[:IMAGES].tolist()),
        _selective(cache, found.label, layer),
        _shared(cache, found.label, layer, len(rows)),
        _inhibitory(cache, found.label, layer),
        _spread(cache, found.label, layer),
    )


def _selective(cache: AtlasCache, label: str, layer: Layer) -> UnitList:
    try:
        groups = cache.labelled_groups
        result = selective_units(cache.atlas, layer, label, groups=groups, max_responses=_SHUFFLED_RESPONSES)
    except DamagedAtlasError:
        raise
    except UnitscopeError as problem:
        return UnitList(_sentence(str(problem)))
    if result.found.empty:
        return UnitList(_sentence(result.note))
    return UnitList(
        f"{_sentence(result.note)} Sorted by selectivity index.",
        tuple(
            annotated_unit(cache, layer, int(row["unit"]), _selectivity_note(row))
            for row in result.found.head(_UNITS).to_dict("records")
        ),
    )


def _selectivity_note(row: dict[Hashable, Any]) -> str:
    level = f" (shuffled {row['shuffled']:.2f})" if np.isfinite(row["shuffled"]) else ""
    return f"selectivity {row['selectivity']:.2f}{level}, d′ {number(row['d_prime'], 2)}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _shared(cache: AtlasCache, label: str, layer: Layer, images: int) -> UnitList:
    if not cache.atlas.has_responses:
        return UnitList("This needs responses, but the scan stored none (--store-responses none).")
    at_least = max(1, int(np.ceil(_SHARED_FRACTION * images)))
    pick = TopK(min(9, layer.units))
    rule = intersection([image_group(cache.atlas, CLASS + label, layer)], pick, at_least=at_least)
    found = check_independence(cache.atlas, rule)
    chance = f"{number(found.expected, 2)} expected by chance"
    if found.near_duplicates:
        chance = f"{found.near_duplicates} of them are near-duplicates of others, so they share units anyway"
    note = f"Units that are among the {pick} for at least {at_least} of the {images} images; {chance}."
    return UnitList(
        note,
        tuple(
            annotated_unit(cache, layer, int(unit), f"in {support} of {images}")
            for unit, support in zip(found.units[:_UNITS], found.support, strict=False)
        ),
    )


def _inhibitory(cache: AtlasCache, label: str, layer: Layer) -> UnitList:
    if not cache.atlas.has_responses:
        return UnitList("This needs responses, but the scan stored none (--store-responses none).")
    try:
        found = class_inhibition(cache.atlas, layer, label, sample=cache.reference_sample(layer))
    except DamagedAtlasError:
        raise
    except UnitscopeError as problem:
        return UnitList(_sentence(str(problem)))
    sure = found.units[found.units["p_corrected"] < 0.05]
    note = (
        f"{len(sure)} of {layer.units} units respond less to this class than to {found.others:,} other images"
        f"{_left_out(found)} (Mann–Whitney, p < 0.05 after correction); sorted by Cliff's delta. They may serve other "
        "classes: whether a unit inhibits this one, its removal shows (unitscope inhibitory --ablate-each)."
    )
    return UnitList(
        note,
        tuple(
            annotated_unit(
                cache, layer, int(row["unit"]), f"δ {number(row['effect_size'], 2)}, p {number(row['p_corrected'], 1)}"
            )
            for row in sure.head(_UNITS).to_dict("records")
        ),
    )


def _left_out(found: Inhibition) -> str:
    total = found.others_in_atlas or 0
    fewer = f" of {total:,}, without near-duplicates" if total > found.others else ""
    return fewer + (f" ({count_noun(found.left_out, 'near-duplicate')} of this class left out)" * (found.left_out > 0))


def _spread(cache: AtlasCache, label: str, layer: Layer) -> MeanHistograms:
    edges, (of_all, of_class) = mean_distributions(cache.atlas, layer, [label])
    return MeanHistograms(
        tuple(edges.tolist()),
        tuple(of_class.histogram.tolist()),
        tuple(of_all.histogram.tolist()),
        of_class.zero_fraction,
        of_class.gini,
        of_class.treves_rolls,
    )
