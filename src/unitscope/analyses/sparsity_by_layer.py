"""Sparsity of each layer of an atlas, shallow to deep.

In: an atlas, whose unit table is enough. Out: `SparsityByLayer`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pandas as pd

from unitscope.analyses.sparsity import both_signs, lifetime_from_moments, zeros_of
from unitscope.analyses.sparsity_indices import (
    gini,
    hoyer,
    treves_rolls,
)
from unitscope.atlas import Atlas
from unitscope.results import Result, Values, frame_of, layer_table, layers_by_name
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class SparsityByLayer(Result):
    """Sparsity of each layer of an atlas.

    Attributes:
        network: name of the network.
        layers: shallow to deep.
        table: one row per layer: layer, units, dead, zero_fraction (of all responses), gini, hoyer and treves_rolls (of
            the means of the units), lifetime_treves_rolls and lifetime_hoyer (mean over the units whose responses have
            one sign), both_signs (number of units with responses of both signs).
    """

    kind: ClassVar[str] = "sparsity_by_layer"

    network: str
    layers: tuple[Layer, ...]
    table: pd.DataFrame

    def values(self) -> Values:
        """Return plain values: ``layers`` has one row of the table each."""
        rows: list[Any] = self.table.to_dict("records")
        return {"network": self.network, "layers": rows, "layer_table": layer_table(self.layers)}

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        rows = values["layers"]
        layers = layers_by_name(values, [row["layer"] for row in rows])
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        return cls(values["network"], tuple(layers.values()), frame_of(columns))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the table, with the number of each activation call beside the name of its layer."""
        return {"Sparsity by layer": self.table.assign(layer=[layer.display_name for layer in self.layers])}


def sparsity_by_layer(atlas: Atlas) -> SparsityByLayer:
    """Return the sparsity of each layer, from the summaries of units in the atlas."""
    rows = [_layer_row(layer, atlas.units_of(layer)) for layer in atlas.layers]
    return SparsityByLayer(atlas.manifest.network_name, tuple(atlas.layers), pd.DataFrame(rows))


def _layer_row(layer: Layer, units: pd.DataFrame) -> dict[str, object]:
    means, lifetime = units["mean"].to_numpy(), lifetime_from_moments(units)
    return {
        "layer": layer.name,
        "units": layer.units,
        "dead": int(units["dead"].sum()),
        "zero_fraction": zeros_of(units),
        "gini": float(gini(means)),
        "hoyer": float(hoyer(means)),
        "treves_rolls": float(treves_rolls(means)),
        "lifetime_treves_rolls": float(lifetime["treves_rolls"].mean()),
        "lifetime_hoyer": float(lifetime["hoyer"].mean()),
        "both_signs": int(both_signs(units).sum()),
    }
