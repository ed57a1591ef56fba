"""Search layers, units, classes, predicted classes and images.

In: an `AtlasCache` and a query. Out: `SearchPage`, with all matches of each kind, the images in pages.
"""

import re
from dataclasses import dataclass

from unitscope.analyses.image_groups import CLASS
from unitscope.atlas.notes import Notes
from unitscope.errors import LayerError, UntappedLayerError
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.links import Links
from unitscope.web.name_search import similar_names
from unitscope.web.pages.home import LabelFacts
from unitscope.web.pages.image_list import AT_ONCE, ListedImage, listed_images
from unitscope.web.pages.notes import Noted, find_noted

_NUMBER = re.compile(r"(?:unit\s*)?(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PredictedClass:
    """A class of the network, and the number of images for which it is the prediction."""

    name: str
    images: int


@dataclass(frozen=True, slots=True)
class SearchPage:
    """The matches of a query.

    Attributes:
        query: as typed.
        units: pairs of a layer and a channel: the one addressed, or all with the number typed.
        layers, labels, predicted: all matches.
        noted: units, images and selections with a match in their name, note or tags.
        images: one page of the matches, of `total`.
        page, pages: of the images.
        suggestions: similar names, if nothing matches.
    """

    query: str
    units: tuple[tuple[str, int], ...] = ()
    layers: tuple[str, ...] = ()
    labels: tuple[LabelFacts, ...] = ()
    predicted: tuple[PredictedClass, ...] = ()
    noted: tuple[Noted, ...] = ()
    images: tuple[ListedImage, ...] = ()
    total: int = 0
    page: int = 1
    pages: int = 1
    suggestions: tuple[str, ...] = ()

    def sole(self, links: Links) -> str:
        """Return the link to the only match, or an empty string if there are several or it has no page."""
        found = [
            *(links.unit(*unit) for unit in self.units),
            *(links.layer(layer) for layer in self.layers),
            *(links.label(one.label) if one.images else "" for one in self.labels),
            *(links.image(one.image) for one in self.images),
        ]
        others = [links.served("images", predicted=one.name) for one in self.predicted]
        sole = found or others
        return sole[0] if len(sole) == 1 and not self.noted else ""


def search_page(cache: AtlasCache, query: str, page: int = 1, notes: Notes | None = None) -> SearchPage:
    """Return the matches of a query, ignoring case; none for an empty query.

    A unit is written ``LAYER:UNIT``, with any address of its layer, or is a bare number: that unit of every layer.
    """
    word = query.strip().removeprefix(CLASS).casefold()
    if not word:
        return SearchPage(query)
    units, layers, labels = _units(cache, query.strip()), _layers(cache, query.strip()), _labels(cache, word)
    predicted = tuple(
        PredictedClass(name, count) for name, count in cache.columns.predictions.items() if word in name.casefold()
    )
    rows = [row for row, image in enumerate(cache.ids) if word in image.casefold()]
    pages = max(1, -(-len(rows) // AT_ONCE))
    page = min(max(page, 1), pages)
    images = listed_images(cache, rows[(page - 1) * AT_ONCE : page * AT_ONCE])
    noted = find_noted(cache, notes, word) if notes else ()
    none = not (units or layers or labels or predicted or rows or noted)
    suggestions = similar_names(word, _names(cache)) if none else ()
    return SearchPage(query, units, layers, labels, predicted, noted, images, len(rows), page, pages, suggestions)


def _labels(cache: AtlasCache, word: str) -> tuple[LabelFacts, ...]:
    return tuple(
        LabelFacts(one.label, one.name, cache.atlas.label_counts.get(one.label, 0))
        for one in cache.atlas.manifest.labels
        if word in one.name.casefold() or word in one.label.casefold()
    )


def _names(cache: AtlasCache) -> list[str]:
    """Return the names of all classes and layers."""
    layers = (name for layer in cache.atlas.layers for name in (layer.name, *layer.aliases))
    return [*(one.name for one in cache.atlas.manifest.labels), *cache.columns.predictions, *layers]


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
    return tuple(dict.fromkeys([*exact, *similar]))
