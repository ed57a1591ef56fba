"""The layers of a network as a result.

In: layers. Out: `LayerList`, which the command ``layers`` prints.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import pandas as pd

from unitscope.results import Result, Values
from unitscope.units import Layer


@dataclass(frozen=True, slots=True)
class LayerList(Result):
    """Some layers of a network, in execution order."""

    kind: ClassVar[str] = "layers"

    network: str
    layers: tuple[Layer, ...]

    def values(self) -> Values:
        """Return plain values; docs/commands/layers.md lists the keys."""
        rows = [layer.to_dict() for layer in self.layers]
        return {
            "network": self.network,
            "layers": [{name: value for name, value in row.items() if name != "unit_axis"} for row in rows],
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        return cls(values["network"], tuple(Layer.from_dict(row) for row in values["layers"]))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return one row per layer."""
        rows = [
            (layer.index, layer.name, " ".join(layer.aliases), layer.kind, layer.units, "×".join(map(str, layer.shape)))
            for layer in self.layers
        ]
        columns = ["index", "layer", "aliases", "kind", "units", "shape"]
        return {f"Layers of {self.network}": pd.DataFrame(rows, columns=columns)}
