"""The page of a layer: all its units with their summaries.

In: an `AtlasCache` and a layer. Out: `LayerPage`; the units as columns (parallel lists), since there may be thousands.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.pages.home import LayerFacts, layer_facts

CARD = 9  # exemplars on a unit's card


@dataclass(frozen=True, slots=True)
class LayerPage:
    """A layer and its units.

    Attributes:
        facts: of the layer.
        previous, following: the neighbouring layers; empty where there is none.
        images: the number of images behind a unit's summaries.
        columns: of the table of units: a list for each, with one entry per unit in the order of the channels.
        exemplars: the rows of each unit's first nine exemplars, ``[unit][rank]``; dead units have none.
    """

    facts: LayerFacts
    previous: str
    following: str
    images: int
    columns: dict[str, list[Any]]
    exemplars: list[list[int]]


def layer_page(cache: AtlasCache, layer: Layer) -> LayerPage:
    """Return the values of a layer's page."""
    facts = layer_facts(cache)
    index = next(n for n, one in enumerate(facts) if one.layer == layer.name)
    units = cache.atlas.units_of(layer)
    rows = cache.extreme_rows(layer)[:CARD].T
    return LayerPage(
        facts[index],
        facts[index - 1].layer if index else "",
        facts[index + 1].layer if index + 1 < len(facts) else "",
        int(units["count"].max()),
        {name: _plain(units[name].to_numpy()) for name in _columns(units.columns)},
        [[int(row) for row in unit if row >= 0] for unit in rows],
    )


def _columns(known: Any) -> list[str]:
    wanted = ("mean", "std", "min", "max", "zero_fraction", "dead", "selective_class", "selectivity")
    return [name for name in wanted if name in known]


def _plain(values: Any) -> list[Any]:
    """Return values as plain Python, floats with five digits to keep a page of thousands of units small."""
    if values.dtype.kind == "f":
        return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]
    return list(values.tolist())
