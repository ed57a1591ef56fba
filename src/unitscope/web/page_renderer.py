"""Render an atlas's pages as HTML, for the server and for the static site.

In: an `AtlasCache`, stored results, a page's values. Out: HTML.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from unitscope.analyses.class_units import class_layer_note, last_feature_layer
from unitscope.analyses.contrast import CONTRAST, RESPONSE
from unitscope.text import sentence
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.class_pairs import Rows
from unitscope.web.links import Links
from unitscope.web.measurements import Measurements
from unitscope.web.pages.class_page import ClassPage, annotated_unit
from unitscope.web.pages.compare import ComparePage
from unitscope.web.pages.home import label_facts
from unitscope.web.pages.unit import UnitPage
from unitscope.web.templating import render


@dataclass(frozen=True)
class PageRenderer:
    """An atlas to be explored, with stored results about its network."""

    atlas_cache: AtlasCache
    results: Measurements = field(default_factory=Measurements)

    def find(self, address: str) -> Layer:
        """Return the layer at an address; for an empty one the last layer whose units are not the classes."""
        atlas = self.atlas_cache.atlas
        return atlas.find(address) if address else last_feature_layer(atlas)

    def html(self, template: str, page: Any, links: Links, **more: Any) -> str:
        """Return a page as HTML."""
        return render(template, links, page=page, site=self._site(links), **{"here": template, "missing": "", **more})

    def unit_html(self, page: UnitPage, links: Links, *, missing: str = "") -> str:
        """Return a unit's page as HTML."""
        layer = self.atlas_cache.atlas.find(page.layer)
        similar = [
            annotated_unit(self.atlas_cache, layer, one.channel, f"r = {one.correlation:.2f}") for one in page.alike
        ]
        links_of = [links.label(one.label) for one in page.classes]
        labels_of = {one.row: self.atlas_cache.labels[one.row] for one in page.exemplars}
        return self.html(
            "unit", page, links, similar=similar, classlinks=links_of, labels_of=labels_of, missing=missing
        )

    def class_html(self, page: ClassPage, links: Links) -> str:
        """Return a class's page as HTML."""
        return self.html("class", page, links, layers=self.layer_names)

    def compare_html(self, page: ComparePage, links: Links, *, pairs: Rows = []) -> str:  # noqa: B006 (read only)
        """Return a comparison as HTML; `pairs` are links to further comparisons."""
        return self.html(
            "compare",
            page,
            links,
            layers=self.layer_names,
            labels=label_facts(self.atlas_cache),
            groups=tuple(one.query for one in page.compared),
            pairs=pairs,
        )

    @property
    def layer_names(self) -> list[str]:
        """The atlas's layers, shallow to deep."""
        return [layer.name for layer in self.atlas_cache.atlas.layers]

    @cached_property
    def calls(self) -> dict[str, str]:
        """The number of each activation call, ``act:N``, by the name of its layer."""
        return {layer.name: layer.call for layer in self.atlas_cache.atlas.layers if layer.call}

    @cached_property
    def class_notes(self) -> dict[str, str]:
        """What to say of layers whose units are the network's classes, by the name of the layer."""
        atlas = self.atlas_cache.atlas
        return {layer.name: sentence(note) for layer in atlas.layers if (note := class_layer_note(atlas, layer))}

    @cached_property
    def other_names(self) -> dict[str, tuple[str, ...]]:
        """The other names that a layer may be called by, by its name."""
        return {layer.name: layer.other_names for layer in self.atlas_cache.atlas.layers if layer.other_names}

    def _site(self, links: Links) -> dict[str, Any]:
        atlas = self.atlas_cache.atlas
        return {
            "network": atlas.manifest.network_name,
            "calls": self.calls,
            "other_names": self.other_names,
            "images": f"{atlas.manifest.images['count']:,}",  # not from the table, which may be damaged
            "units": f"{len(atlas.index):,}",
            "path": atlas.path.name,
            "class_notes": self.class_notes,
            "ranking": CONTRAST if self.atlas_cache.baseline else RESPONSE,
        }
