"""Similarity of images and classes at several layers, shallow to deep.

In: `ImageGroup` values at each layer. Out: `SimilarityByLayer`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.cosines import Matrix, cosines
from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.similarity import captions_of, one_layer
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class SimilarityByLayer(Result):
    """Similarity of image groups at several layers.

    Attributes:
        layers: in the order given, shallow to deep.
        labels: names of the groups.
        matrices: cosines of the mean responses, float64 ``[layer, group, group]``; NaN as in `Similarity`.
        network: name of the network; empty if unknown.
        shows: as in `Similarity`.
    """

    kind: ClassVar[str] = "similarity_by_layer"

    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    matrices: NDArray[np.float64]
    network: str = ""
    shows: tuple[str, ...] = ()

    def values(self) -> Values:
        """Return plain values; docs/commands/similarity.md lists the keys."""
        at_layers = zip(self.layers, self.matrices, strict=True)
        return {
            "network": self.network,
            "labels": list(self.labels),
            "shows": list(self.shows),
            "layers": [{"layer": layer.name, "matrix": matrix.tolist()} for layer, matrix in at_layers],
            "layer_table": layer_table(self.layers),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        layers = layers_by_name(values, [each["layer"] for each in values["layers"]])
        matrices = np.array([each["matrix"] for each in values["layers"]], np.float64)
        labels, shows = tuple(values["labels"]), tuple(values["shows"])
        return cls(tuple(layers.values()), labels, matrices, values["network"], shows)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the numbered groups, and the cosine of each pair of groups at each layer."""
        groups = {"": range(1, len(self.labels) + 1), "image or class": self.labels}
        pairs = list(combinations(range(len(self.labels)), 2))
        table = pd.DataFrame({f"{a + 1}–{b + 1}": self.matrices[:, a, b] for a, b in pairs})
        table.insert(0, "layer", [layer.display_name for layer in self.layers])
        table.attrs["decimals"] = 2
        shows = {"label": self.shows} if any(self.shows) else {}
        return {"Compared": pd.DataFrame(groups | shows), "Cosine similarity by layer": table}

    @property
    def captions(self) -> tuple[str, ...]:
        """Names of the groups in a figure; see `captions_of`."""
        return captions_of(self.labels, self.shows)


def similarity_by_layer(at_layers: Iterable[Sequence[ImageGroup]]) -> SimilarityByLayer:
    """Return the cosines between the same image groups at several layers.

    Args:
        at_layers: the groups at each layer, from `unitscope.inspection.new_images.image_groups_by_layer`.

    Raises:
        UnitscopeError: if there are no layers or no groups.
    """
    layers: list[Layer] = []
    labels: tuple[str, ...] = ()
    matrices: list[Matrix] = []
    for groups in at_layers:
        layers.append(one_layer(groups))
        labels = tuple(group.name for group in groups)
        matrices.append(cosines(np.stack([group.mean for group in groups])))
    if not layers:
        raise UnitscopeError("there is no layer at which to compare images; give one or more")
    return SimilarityByLayer(tuple(layers), labels, np.stack(matrices))
