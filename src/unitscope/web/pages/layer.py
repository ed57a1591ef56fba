"""The page of a layer: all its units with their summaries.

In: an `AtlasCache` and a layer. Out: `LayerPage`; the units as columns (parallel lists), since there may be thousands.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.pages.home import LayerFacts, layer_facts

CARD = 9  # exemplars on a unit's card
_COLUMNS = ("mean", "std", "min", "max", "zero_fraction", "dead")


@dataclass(frozen=True, slots=True)
class LayerPage:
    """A layer and its units.

    Attributes:
        facts: of the layer.
        previous, following: the neighbouring layers; empty where there is none.
        images: the number of images behind a unit's summaries.
        columns: of the table of units: a list for each, with one entry per unit in the order of the channels.
        exemplars: the rows of each unit's first nine exemplars, ``[unit][rank]``; dead units have none.
        no_selective_unit: whether the images have classes, but no unit is shown to be selective for one.
    """

    facts: LayerFacts
    previous: str
    following: str
    images: int
    columns: dict[str, list[Any]]
    exemplars: list[list[int]]
    no_selective_unit: bool


def layer_page(cache: AtlasCache, layer: Layer) -> LayerPage:
    """Return the values of a layer's page."""
    facts = layer_facts(cache)
    index = next(n for n, one in enumerate(facts) if one.layer == layer.name)
    units = cache.atlas.units_of(layer)
    rows = cache.extreme_rows(layer)[:CARD].T
    selectivity = cache.selectivity(layer)
    columns = units[list(_COLUMNS)]
    selective = selectivity is not None and bool(selectivity["selective_class"].notna().any())
    if selectivity is not None and selective:
        columns = columns.join(selectivity[["selective_class", "selectivity"]])
    return LayerPage(
        facts[index],
        facts[index - 1].layer if index else "",
        facts[index + 1].layer if index + 1 < len(facts) else "",
        int(units["count"].max()),
        {str(name): _plain(values.to_numpy()) for name, values in columns.items()},
        [[int(row) for row in unit if row >= 0] for unit in rows],
        selectivity is not None and not selective,
    )


def _plain(values: Any) -> list[Any]:
    """Return values as plain Python, floats with five digits to keep a page of thousands of units small."""
    if values.dtype.kind == "f":
        return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]
    return [None if pd.isna(value) else value for value in values.tolist()]
