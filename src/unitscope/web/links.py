"""Links to pages and pictures: addresses on the server, or relative paths within the static site.

In: layers, units, rows of images. Out: links. Only these differ between the server and the static site.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlencode


class Links(Protocol):
    """Links as written into pages; an empty link means that the page does not exist here."""

    @property
    def live(self) -> bool:
        """Whether a server answers, so that pages that need one are linked."""
        ...

    @property
    def images(self) -> bool:
        """Whether there are pictures of the images."""
        ...

    def static(self, name: str) -> str:
        """Return the link to a script or style sheet."""
        ...

    def home(self) -> str:
        """Return the link to the atlas's page."""
        ...

    def layer(self, layer: str) -> str:
        """Return the link to a layer's page."""
        ...

    def unit(self, layer: str, channel: int | str) -> str:
        """Return the link to a unit's page."""
        ...

    def image(self, image: str) -> str:
        """Return the link to an image's page."""
        ...

    def label(self, label: str, layer: str = "") -> str:
        """Return the link to a class's page, at a layer."""
        ...

    def compare(self, groups: tuple[str, ...] = (), layer: str = "") -> str:
        """Return the link to a comparison."""
        ...

    def thumbnail(self, row: int | str) -> str:
        """Return the link to a small picture of an image."""
        ...

    def picture(self, row: int | str) -> str:
        """Return the link to a larger picture of an image."""
        ...

    def maps(self, layer: str, channel: int | str) -> str:
        """Return the link to the activation maps of a unit's exemplars, side by side."""
        ...

    def notes(self) -> str:
        """Return the link to the page of notes."""
        ...

    def served(self, address: str, /, **query: str | int | Sequence[str]) -> str:
        """Return the link to a page or an action that only the server has, such as ``lab``."""
        ...


@dataclass(frozen=True, slots=True)
class ServerLinks:
    """Addresses on the server, with readable names.

    Attributes:
        root: the path of the first page, without its last slash; not empty behind a proxy that serves a path.
    """

    root: str = ""
    live: bool = True
    images: bool = True

    def static(self, name: str) -> str:
        """See `Links.static`."""
        return f"{self.root}/static/{name}"

    def home(self) -> str:
        """See `Links.home`."""
        return f"{self.root}/"

    def layer(self, layer: str) -> str:
        """See `Links.layer`."""
        return f"{self.root}/layer/{_part(layer)}"

    def unit(self, layer: str, channel: int | str) -> str:
        """See `Links.unit`."""
        return f"{self.root}/unit/{_part(layer)}/{channel}"

    def image(self, image: str) -> str:
        """See `Links.image`."""
        return f"{self.root}/image/{quote(image)}"

    def label(self, label: str, layer: str = "") -> str:
        """See `Links.label`."""
        return f"{self.root}/class/{quote(label)}" + (f"?{urlencode({'layer': layer})}" if layer else "")

    def compare(self, groups: tuple[str, ...] = (), layer: str = "") -> str:
        """See `Links.compare`."""
        query = [("a", group) for group in groups] + ([("layer", layer)] if layer else [])
        return f"{self.root}/compare" + (f"?{urlencode(query)}" if query else "")

    def thumbnail(self, row: int | str) -> str:
        """See `Links.thumbnail`."""
        return f"{self.root}/thumbnail/{row}.webp"

    def picture(self, row: int | str) -> str:
        """See `Links.picture`."""
        return f"{self.root}/picture/{row}.webp"

    def maps(self, layer: str, channel: int | str) -> str:
        """See `Links.maps`."""
        return f"{self.root}/maps/{_part(layer)}/{channel}.png"

    def notes(self) -> str:
        """See `Links.notes`."""
        return f"{self.root}/notes"

    def served(self, address: str, /, **query: str | int | Sequence[str]) -> str:
        """See `Links.served`."""
        return f"{self.root}/{address}" + (f"?{urlencode(query, doseq=True, quote_via=quote)}" if query else "")


def _part(name: str) -> str:
    return quote(name, safe="")


@dataclass(frozen=True, slots=True)
class SiteLinks:
    """Relative paths within the static site; layers and labels are numbered.

    Attributes:
        up: from the page to the site's root, such as ``../``.
        layers: the number of each layer that the site has.
        labels: the number of each label that the site has.
        pairs: the pairs of labels that the site compares.
        images: whether the site has pictures of the images.
        maps_of: the layers whose activation maps the site has.
        noted: whether the site has a page of notes.
    """

    up: str
    layers: dict[str, int]
    labels: dict[str, int]
    pairs: frozenset[tuple[str, str]]
    images: bool
    maps_of: frozenset[str]
    noted: bool = False
    live: bool = False

    def static(self, name: str) -> str:
        """See `Links.static`."""
        return f"{self.up}static/{name}"

    def home(self) -> str:
        """See `Links.home`."""
        return f"{self.up}index.html"

    def layer(self, layer: str) -> str:
        """See `Links.layer`."""
        return f"{self.up}layer/{self.layers[layer]}.html" if layer in self.layers else ""

    def unit(self, layer: str, channel: int | str) -> str:
        """See `Links.unit`."""
        return f"{self.up}unit/{self.layers[layer]}/{channel}.html" if layer in self.layers else ""

    def image(self, image: str) -> str:
        """See `Links.image`."""
        return ""

    def label(self, label: str, layer: str = "") -> str:
        """See `Links.label`."""
        return f"{self.up}class/{self.labels[label]}.html" if label in self.labels else ""

    def compare(self, groups: tuple[str, ...] = (), layer: str = "") -> str:
        """See `Links.compare`."""
        if not groups:
            return f"{self.up}compare/index.html" if self.pairs else ""
        one, other = (group.removeprefix("class:") for group in groups[:2])
        if (one, other) not in self.pairs:
            return ""
        return f"{self.up}compare/{self.labels[one]}-{self.labels[other]}.html"

    def thumbnail(self, row: int | str) -> str:
        """See `Links.thumbnail`."""
        return f"{self.up}thumbnail/{row}.webp" if self.images else ""

    def picture(self, row: int | str) -> str:
        """See `Links.picture`."""
        return f"{self.up}picture/{row}.webp" if self.images else ""

    def maps(self, layer: str, channel: int | str) -> str:
        """See `Links.maps`."""
        return f"{self.up}maps/{self.layers[layer]}/{channel}.png" if layer in self.maps_of else ""

    def notes(self) -> str:
        """See `Links.notes`."""
        return f"{self.up}notes.html" if self.noted else ""

    def served(self, address: str, /, **query: str | int | Sequence[str]) -> str:
        """See `Links.served`."""
        return ""
