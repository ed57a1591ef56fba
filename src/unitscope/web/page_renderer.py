"""Render an atlas's pages as HTML, for the server and for the static site.

In: an `AtlasCache`, stored results, a page's values. Out: HTML.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from markupsafe import Markup

from unitscope.analyses.class_units import class_layer_note, last_feature_layer
from unitscope.analyses.contrast import CONTRAST, RESPONSE
from unitscope.atlas.notes_file import NotesFile
from unitscope.text import sentence
from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.class_pairs import Rows
from unitscope.web.links import Links
from unitscope.web.measurements import Measurements
from unitscope.web.pages.annotated_unit import annotated_unit
from unitscope.web.pages.class_page import ClassPage
from unitscope.web.pages.compare import ComparePage
from unitscope.web.pages.home import HomePage, home_page, label_facts
from unitscope.web.pages.image import ImagePage
from unitscope.web.pages.image_list import SORTS, ImageList
from unitscope.web.pages.notes import NotesPage
from unitscope.web.pages.unit import UnitPage
from unitscope.web.templating import render


@dataclass(frozen=True)
class PageRenderer:
    """An atlas to be explored, with stored results about its network."""

    atlas_cache: AtlasCache
    results: Measurements = field(default_factory=Measurements)
    notes: NotesFile = field(default_factory=NotesFile)

    def find(self, address: str) -> Layer:
        """Return the layer at an address; for an empty one the last layer whose units are not the classes."""
        atlas = self.atlas_cache.atlas
        return atlas.find(address) if address else last_feature_layer(atlas)

    def html(self, template: str, page: Any, links: Links, **more: Any) -> str:
        """Return a page as HTML."""
        return render(template, links, page=page, site=self._site(links), **{"here": template, "missing": "", **more})

    @cached_property
    def home(self) -> HomePage:
        """The values of the first page, which never change."""
        return home_page(self.atlas_cache)

    @cached_property
    def home_html(self) -> Callable[..., str]:
        """Returns the first page as HTML, which takes longest to render, for the last few links asked for."""
        return lru_cache(maxsize=4)(lambda links: self.html("home", self.home, links))

    def unit_html(self, page: UnitPage, links: Links, *, missing: str = "") -> str:
        """Return a unit's page as HTML."""
        layer = self.atlas_cache.atlas.find(page.layer)
        similar = [
            annotated_unit(self.atlas_cache, layer, one.channel, f"r = {one.correlation:.2f}") for one in page.alike
        ]
        links_of = [links.label(one.label) for one in page.classes]
        labels_of = {one.row: self.atlas_cache.labels[one.row] for one in page.exemplars}
        return self.html(
            "unit",
            page,
            links,
            similar=similar,
            classlinks=links_of,
            labels_of=labels_of,
            missing=missing,
            noted=self._noted("unit", f"{page.layer}:{page.channel}"),
        )

    def image_html(self, page: ImagePage, links: Links, *, missing: str = "") -> str:
        """Return an image's page as HTML."""
        noted = self._noted("image", page.image)
        return self.html("image", page, links, missing=missing, address=page.image, noted=noted)

    def notes_html(self, page: NotesPage, links: Links) -> str:
        """Return the page of notes as HTML."""
        return self.html("notes", page, links, reason=self.notes.reason)

    def _noted(self, kind: str, name: str) -> dict[str, Any]:
        """Return what the notes of a page show: the subject, its note, the selections, why they can't be changed."""
        notes = self.notes.notes
        selections = notes.all(f"{kind}s")
        return {
            "kind": kind,
            "name": name,
            "note": notes.of(f"{kind} {name}"),
            "selections": list(selections),
            "member_of": [one for one, note in selections.items() if name in note.members],
            "reason": self.notes.reason,
        }

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
            selections=list(self.notes.notes.all("images")),
            pairs=pairs,
        )

    def images_html(self, page: ImageList, links: Links, *, missing: str = "") -> str:
        """Return the list of images as HTML."""
        labels, predictions = self._class_options
        return self.html(
            "images",
            page,
            links,
            labels=labels,
            predictions=predictions,
            sorts=SORTS,
            mistakes=len(self.atlas_cache.columns.mistakes),
            reason=self.notes.reason,
            missing=missing,
        )

    @cached_property
    def _class_options(self) -> tuple[Markup, Markup]:
        """The classes to filter images by, of labels and of predictions, as options: long lists that never change."""
        known = dict.fromkeys(one.name for one in label_facts(self.atlas_cache) if one.images)
        predicted = self.atlas_cache.columns.predictions
        option = Markup('<option value="{}"></option>')
        labels, predictions = (Markup("").join(option.format(name) for name in names) for names in (known, predicted))
        return labels, predictions

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
            "ranking": self._ranking,  # when needed, so that the page of an error reads no tables
        }

    def _ranking(self) -> str:
        return CONTRAST if self.atlas_cache.baseline else RESPONSE
