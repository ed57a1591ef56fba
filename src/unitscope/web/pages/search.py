"""Search layers, units, classes and images.

In: an `AtlasCache` and a query. Out: `SearchPage`, with the first matches of each kind.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from unitscope.analyses.image_groups import CLASS
from unitscope.errors import LayerError, UntappedLayerError
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.links import Links
from unitscope.web.pages.home import LabelFacts
from unitscope.web.pages.image import ImageEntry, image_entries

T = TypeVar("T")
_MAX_RESULTS = 20
_NUMBER = re.compile(r"(?:unit\s*)?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The matches; units are pairs of a layer and a channel: the one addressed, or all with the number typed."""

    query: str
    units: tuple[tuple[str, int], ...]
    layers: tuple[str, ...]
    labels: tuple[LabelFacts, ...]
    images: tuple[ImageEntry, ...]

    def sole(self, links: Links) -> str:
        """Return the link to the only match, or an empty string if there are several or it has no page."""
        found = [
            *(links.unit(*unit) for unit in self.units),
            *(links.layer(layer) for layer in self.layers),
            *(links.label(one.label) if one.images else "" for one in self.labels),
            *(links.image(one.image) for one in self.images),
        ]
        return found[0] if len(found) == 1 else ""


def search_page(cache: AtlasCache, query: str) -> SearchPage:
    """Return the matches of a query, ignoring case; none for an empty query.

    A unit is written ``LAYER:UNIT``, with any address of its layer, or is a bare number: that unit of every layer.
    """
    word = query.strip().removeprefix(CLASS).casefold()
    if not word:
        return SearchPage(query, (), (), (), ())
    labels = cache.atlas.manifest.labels
    found_labels = _first(one for one in labels if word in one.name.casefold() or word in one.label.casefold())
    return SearchPage(
        query,
        _units(cache, query.strip()),
        _layers(cache, query.strip()),
        tuple(LabelFacts(one.label, one.name, cache.atlas.label_counts.get(one.label, 0)) for one in found_labels),
        image_entries(cache, _first(row for row, image in enumerate(cache.ids) if word in image.casefold())),
    )


def _units(cache: AtlasCache, address: str) -> tuple[tuple[str, int], ...]:
    if number := _NUMBER.fullmatch(address):
        channel = int(number[1])
        return tuple((layer.name, channel) for layer in cache.atlas.layers if channel < layer.units)
    try:
        layer, channel = cache.atlas.unit(address)
    except (LayerError, UntappedLayerError):
        return ()
    return ((layer.name, channel),)


def _layers(cache: AtlasCache, word: str) -> tuple[str, ...]:
    """Return the layer at an address, then layers whose address contains the word; ``act:3`` is not in ``act:30``."""
    try:
        exact = [cache.atlas.find(word).name]
    except (LayerError, UntappedLayerError):
        exact = []
    similar = (
        layer.name
        for layer in cache.atlas.layers
        if not (exact and word.startswith("act:"))
        and any(word.casefold() in address.casefold() for address in (layer.name, *layer.aliases))
    )
    return tuple(dict.fromkeys([*exact, *_first(similar)]))


def _first(found: Iterable[T]) -> list[T]:
    return list(itertools.islice(found, _MAX_RESULTS))
