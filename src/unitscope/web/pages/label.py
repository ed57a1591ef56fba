"""One class of images at one layer: its images, the units that stand out for it, how sparse it is.

In: a `AtlasCache`, a label, a layer. Out: `LabelPage`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.class_contrast import class_inhibition
from unitscope.analyses.image_groups import CLASS, class_rows, find_class, image_group
from unitscope.analyses.inhibition import Inhibition
from unitscope.analyses.selection import TopK
from unitscope.analyses.sparsity import BINS
from unitscope.analyses.sparsity_indices import gini, treves_rolls, zero_share
from unitscope.analyses.unit_rules import intersection
from unitscope.errors import UnitscopeError
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.number_format import number
from unitscope.web.pages.image import Named, named

IMAGES = 24
_UNITS = 12
_MOST = 0.9  # of a class's images, for a unit to be shared by them


@dataclass(frozen=True, slots=True)
class Noted:
    """A unit and what is said of it; `rows` are its first exemplars."""

    channel: int
    note: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Units that an analysis found; `note` tells what it asked, or why it could not be asked."""

    note: str
    units: tuple[Noted, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """How many units have which mean response: over the class, and over all images."""

    edges: tuple[float, ...]
    of_class: tuple[int, ...]
    of_all: tuple[int, ...]
    zero_fraction: float
    gini: float
    treves_rolls: float


@dataclass(frozen=True, slots=True)
class LabelPage:
    """A label of the images at one layer."""

    label: str
    name: str
    layer: str
    images: int
    correct: int | None
    shown: tuple[Named, ...]
    selective: Found
    shared: Found
    inhibitory: Found
    spread: Spread


def label_page(shelf: AtlasCache, label: str, layer: Layer) -> LabelPage:
    """Return what a class's page says.

    Raises:
        UnitscopeError: if there is no such class, or none of its images could be read.
    """
    number = find_class(shelf.atlas, label)
    found = shelf.atlas.manifest.labels[number]
    rows = class_rows(shelf.atlas, found.label)
    judged = shelf.atlas.images["correct"].iloc[rows].dropna()
    return LabelPage(
        found.label,
        found.name,
        layer.name,
        len(rows),
        int(judged.sum()) if len(judged) else None,
        named(shelf, rows[:IMAGES].tolist()),
        _selective(shelf, number, layer),
        _shared(shelf, found.label, layer, len(rows)),
        _inhibitory(shelf, found.label, layer),
        _spread(shelf, number, layer),
    )


def _selective(shelf: AtlasCache, number: int, layer: Layer) -> Found:
    units = shelf.atlas.units_of(layer)
    if "selectivity" not in units:
        return Found("Selectivity needs images of two classes or more.")
    best = units[_best_of(shelf, number, layer)].sort_values("selectivity", ascending=False, kind="stable")
    note = f"{len(best)} of {layer.units} units have their greatest class mean here; by the selectivity index."
    return Found(
        note,
        tuple(
            noted_unit(shelf, layer, int(row["channel"]), f"selectivity {row['selectivity']:.2f}")
            for row in best.head(_UNITS).to_dict("records")
        ),
    )


def _best_of(shelf: AtlasCache, number: int, layer: Layer) -> NDArray[np.bool_]:
    """Which units have their greatest class mean at a label; the table tells its name, which others may have too."""
    labels = shelf.atlas.manifest.labels
    alike = [place for place, one in enumerate(labels) if one.name == labels[number].name]
    means = shelf.atlas.class_means[alike, shelf.atlas.index.span(layer)]
    greatest = np.where(np.isfinite(means), means, -np.inf).argmax(0) == alike.index(number)
    return greatest & (shelf.atlas.units_of(layer)["selective_class"] == labels[number].name).to_numpy()  # type: ignore[no-any-return]


def _shared(shelf: AtlasCache, label: str, layer: Layer, images: int) -> Found:
    if not shelf.atlas.has_responses:
        return Found(
            "The scan kept no responses (--store-responses none), so it isn't known which units its images share."
        )
    at_least = max(1, int(np.ceil(_MOST * images)))
    pick = TopK(min(9, layer.units))
    found = intersection([image_group(shelf.atlas, CLASS + label, layer)], pick, at_least=at_least)
    note = (
        f"In the {pick} of at least {at_least} of its {images} images; {number(found.expected, 2)} expected by chance."
    )
    return Found(
        note,
        tuple(
            noted_unit(shelf, layer, int(unit), f"in {support} of {images}")
            for unit, support in zip(found.units[:_UNITS], found.support, strict=False)
        ),
    )


def _inhibitory(shelf: AtlasCache, label: str, layer: Layer) -> Found:
    if not shelf.atlas.has_responses:
        return Found(
            "The scan kept no responses (--store-responses none), so it isn't known which units stay dark for it."
        )
    try:
        found = class_inhibition(shelf.atlas, layer, label, sample=shelf.reference_sample(layer))
    except UnitscopeError as problem:
        return Found(str(problem))
    sure = found.units[found.units["p_corrected"] < 0.05]
    note = (
        f"{len(sure)} of {layer.units} units respond less to it than to {found.others:,} other images{_drawn(found)} "
        "(Mann–Whitney, p < 0.05 after correction); by Cliff's delta."
    )
    return Found(
        note,
        tuple(
            noted_unit(
                shelf, layer, int(row["unit"]), f"δ {number(row['effect_size'], 2)}, p {number(row['p_corrected'], 1)}"
            )
            for row in sure.head(_UNITS).to_dict("records")
        ),
    )


def _drawn(found: Inhibition) -> str:
    total = found.others_in_atlas
    return f", drawn from {total:,} at random" if total and total > found.others else ""


def _spread(shelf: AtlasCache, number: int, layer: Layer) -> Spread:
    """As `sparsity` has it, from what is held in memory."""
    of_all = shelf.atlas.units_of(layer)["mean"].to_numpy()
    of_class = shelf.atlas.class_means[number, shelf.atlas.index.span(layer)]
    low, high = (float(end) for end in (min(0, of_all.min(), of_class.min()), max(0, of_all.max(), of_class.max())))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return Spread(
        tuple(edges.tolist()),
        tuple(np.histogram(of_class, edges)[0].tolist()),
        tuple(np.histogram(of_all, edges)[0].tolist()),
        float(zero_share(of_class)),
        float(gini(of_class)),
        float(treves_rolls(of_class)),
    )


def noted_unit(shelf: AtlasCache, layer: Layer, channel: int, note: str) -> Noted:
    """Return a unit with what is said of it and its first exemplars."""
    rows = shelf.extreme_rows(layer)[:3, channel]
    return Noted(channel, note, tuple(int(row) for row in rows if row >= 0))
