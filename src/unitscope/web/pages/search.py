"""A word looked for among layers, units, classes and images.

In: a `Shelf` and what was typed. Out: `SearchPage`, the first few of each kind.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from unitscope.analyses.subjects import CLASS
from unitscope.errors import UnitscopeError
from unitscope.web.pages.home import LabelFacts
from unitscope.web.pages.image import Named, named
from unitscope.web.shelf import Shelf

T = TypeVar("T")
_MOST = 20


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What was found; `unit` is the layer and channel where a unit's address was typed."""

    query: str
    unit: tuple[str, int] | None
    layers: tuple[str, ...]
    labels: tuple[LabelFacts, ...]
    images: tuple[Named, ...]


def search_page(shelf: Shelf, query: str) -> SearchPage:
    """Return what a search finds; case does not matter, nothing is found for an empty query."""
    word = query.strip().removeprefix(CLASS).casefold()
    if not word:
        return SearchPage(query, None, (), (), ())
    labels = shelf.atlas.manifest.labels
    found_labels = _first(one for one in labels if word in one.name.casefold() or word in one.label.casefold())
    return SearchPage(
        query,
        _unit(shelf, query.strip()),
        _layers(shelf, query.strip()),
        tuple(LabelFacts(one.label, one.name, shelf.counts.get(one.label, 0)) for one in found_labels),
        named(shelf, _first(row for row, image in enumerate(shelf.ids) if word in image.casefold())),
    )


def _unit(shelf: Shelf, address: str) -> tuple[str, int] | None:
    try:
        layer, channel = shelf.atlas.unit(address)
    except UnitscopeError:
        return None
    return layer.name, channel


def _layers(shelf: Shelf, word: str) -> tuple[str, ...]:
    try:
        exact = [shelf.atlas.find(word).name]
    except UnitscopeError:
        exact = []
    alike = (
        layer.name
        for layer in shelf.atlas.layers
        if any(word.casefold() in address.casefold() for address in (layer.name, *layer.aliases))
    )
    return tuple(dict.fromkeys([*exact, *_first(alike)]))


def _first(found: Iterable[T]) -> list[T]:
    return list(itertools.islice(found, _MOST))
