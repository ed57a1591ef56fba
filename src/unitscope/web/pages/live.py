"""The live view's page as plain values.

In: an `AtlasCache`. Out: `LivePage`. The activation maps of its frames come from the network.
"""

from dataclasses import dataclass

from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.pages.lab import layer_names


@dataclass(frozen=True, slots=True)
class LivePage:
    """The live view's page.

    Attributes:
        layers: names of the atlas's layers, shallow to deep.
        top: how many units of a layer it shows.
        missing: why there is no network; empty where there is one.
    """

    layers: tuple[str, ...]
    top: int
    missing: str


def live_page(cache: AtlasCache, *, top: int, missing: str) -> LivePage:
    """Return the live view's page."""
    return LivePage(layer_names(cache), top, missing)
