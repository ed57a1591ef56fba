"""The comparison page: the units that images or classes share, and those that each has alone.

In: an `AtlasCache`, names as in the command `rule`, a layer. Out: `ComparePage`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unitscope.analyses.cosines import cosines
from unitscope.analyses.image_groups import CLASS, ImageGroup, find_class, image_group, is_selection
from unitscope.analyses.independent_images import check_independence
from unitscope.analyses.layer_overlap import layer_overlap
from unitscope.analyses.selection import TopK
from unitscope.analyses.unit_rules import Rule, difference, intersection
from unitscope.errors import UnitscopeError
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.number_format import number
from unitscope.web.pages.annotated_unit import AnnotatedUnit, annotated_unit
from unitscope.web.pages.image import ImageEntry, image_entries

MAX_NAMES = 12
_UNITS, _IMAGES = 12, 4


@dataclass(frozen=True, slots=True)
class ComparedGroup:
    """An image or class that is compared: its name as given and as shown, the number of its images, some of them."""

    query: str
    name: str
    images: int
    shown: tuple[ImageEntry, ...]


@dataclass(frozen=True, slots=True)
class RuleUnits:
    """The units that a rule found, at most 12 of `count`; `note` says why there is no p-value."""

    title: str
    count: int
    expected: float | None
    p_value: float | None
    units: tuple[AnnotatedUnit, ...]
    note: str


@dataclass(frozen=True, slots=True)
class LayerComparison:
    """The units shared at a layer; `cosine` is the least between any two groups, None where it is undefined."""

    layer: str
    shared: int
    expected: float | None
    p_value: float | None
    cosine: float | None


@dataclass(frozen=True, slots=True)
class ComparePage:
    """A comparison; with fewer than two groups, only the form to choose them.

    `top` is how many units of each group are compared at `layer`; never more than the layer has.
    """

    layer: str
    top: int
    compared: tuple[ComparedGroup, ...]
    shared: RuleUnits | None
    alone: tuple[RuleUnits, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    layers: tuple[LayerComparison, ...]


def compare_page(cache: AtlasCache, names: Sequence[str], layer: Layer, *, top: int = 9) -> ComparePage:
    """Return a comparison of images (ids) and classes (``class:NAME``) by the top units of each.

    A class may also be named without ``class:``.

    Raises:
        UnitscopeError: if there is no such image or class, two of them are the same images, or there are more than
            `MAX_NAMES`.
    """
    names = tuple(dict.fromkeys(_full_name(cache, name.strip()) for name in names))
    if len(names) > MAX_NAMES:
        raise UnitscopeError(f"at most {MAX_NAMES} images and classes are compared at once, not {len(names)}")
    groups = [image_group(cache.atlas, name, layer) for name in names]
    compared = tuple(_compared(cache, group) for group in groups)
    if len(groups) < 2:
        return ComparePage(layer.name, top, compared, None, (), (), ())
    selector = TopK(min(top, layer.units))
    both = check_independence(cache.atlas, intersection(groups, selector))
    alone = [difference([one], [other for other in groups if other is not one], selector) for one in groups]
    if both.p_value is None:
        alone = [replace(each, p_value=None) for each in alone]  # they compare the same images
    return ComparePage(
        layer.name,
        min(top, layer.units),
        compared,
        _units(cache, both, "Shared by all"),
        tuple(_units(cache, found, f"Only in {one.name}") for found, one in zip(alone, compared, strict=True)),
        tuple(
            tuple(_known(value) for value in row) for row in cosines(np.stack([one.mean for one in groups])).tolist()
        ),
        _by_layer(cache, names, top),
    )


def _full_name(cache: AtlasCache, name: str) -> str:
    """Return the name of an image or, if no image has this name, of a class as ``class:NAME``."""
    if name.startswith(CLASS) or cache.atlas.has_image(name) or is_selection(cache.atlas, name):
        return name
    try:
        return CLASS + cache.atlas.manifest.labels[find_class(cache.atlas, name)].label
    except UnitscopeError:
        return name


def _compared(cache: AtlasCache, group: ImageGroup) -> ComparedGroup:
    rows = [cache.atlas.image_number(image) for image in group.images[:_IMAGES]]
    name = group.name
    if name.startswith(CLASS):
        name = cache.atlas.manifest.labels[find_class(cache.atlas, name.removeprefix(CLASS))].name
    return ComparedGroup(group.name, name, len(group.images), image_entries(cache, rows))


def _units(cache: AtlasCache, found: Rule, title: str) -> RuleUnits:
    listed = zip(found.units[:_UNITS].tolist(), found.responses.tolist(), strict=False)
    first = tuple(annotated_unit(cache, found.layer, unit, f"α {number(response)}") for unit, response in listed)
    return RuleUnits(title, len(found.units), found.expected, found.p_value, first, found.note)


def _by_layer(cache: AtlasCache, names: Sequence[str], top: int) -> tuple[LayerComparison, ...]:
    table = layer_overlap(cache.atlas, names, top, means=[cache.means(name) for name in names]).table
    rows = table.itertuples(index=False, name=None)
    return tuple(
        LayerComparison(layer, shared, expected, _known(p), _known(cosine))
        for layer, shared, expected, p, cosine in rows
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
