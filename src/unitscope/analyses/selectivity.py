"""The units that are most selective for a class, by the class selectivity index.

In: an atlas, a layer, a class. Out: `Selectivity`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from unitscope.analyses.image_groups import find_class
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, columns_of, frame_of, layer_table, layers_by_name
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class Selectivity(Result):
    """The units of a layer that are most selective for a class.

    Attributes:
        layer: the layer.
        concept: name of the class.
        units: one row per unit: unit, selectivity, mean (α over the images of the class); the most selective first. The
            index is (μ_max - μ_rest) / (μ_max + μ_rest), where μ_rest is the mean of the other class means (Morcos et
            al., 2018).
    """

    kind: ClassVar[str] = "selectivity"

    layer: Layer
    concept: str
    units: pd.DataFrame

    def values(self) -> Values:
        """Return plain values: the columns of ``units`` as lists."""
        return {
            "layer": self.layer.name,
            "concept": self.concept,
            "units": columns_of(self.units),
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        name = values["layer"]
        return cls(layers_by_name(values, [name])[name], values["concept"], frame_of(values["units"]))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the table of units."""
        return {f"{self.layer.display_name}: units most selective for {self.concept}": self.units}


def selective_units(atlas: Atlas, layer: str | Layer, name: str) -> Selectivity:
    """Return the units of a layer whose highest class mean is that of a class, ordered by the selectivity index.

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        UnitscopeError: if there is no such class, or the images have fewer than two classes.
    """
    found, number = atlas.find(layer), find_class(atlas, name)
    labels, units = atlas.manifest.labels, atlas.units_of(found)
    if "selectivity" not in units:
        raise UnitscopeError(
            f"selectivity needs images of two or more classes; atlas '{atlas.path}' has only '{labels[number].name}'"
        )
    # The table has the name of a class, which several labels may share.
    alike = [index for index, label in enumerate(labels) if label.name == labels[number].name]
    means = atlas.class_means[alike, atlas.index.span(found)]
    greatest = np.where(np.isfinite(means), means, -np.inf).argmax(0) == alike.index(number)
    best = greatest & (units["selective_class"] == labels[number].name).to_numpy()
    table = pd.DataFrame(
        {
            "unit": units["channel"].to_numpy()[best],
            "selectivity": units["selectivity"].to_numpy()[best],
            "mean": means[alike.index(number), best],
        }
    )
    ordered = table.sort_values("selectivity", ascending=False, kind="stable", ignore_index=True)
    return Selectivity(found, labels[number].name, ordered)
