"""Similarity of images and classes at a layer: cosines of response vectors (paper, algorithm 3).

In: `ImageGroup` values. Out: `Similarity`.
The paper calls the cosine a distance; as in the paper, 1 means equal. All sums are float64.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.cosines import Matrix, clustered_order, cosines, tree
from unitscope.analyses.image_groups import CLASS, ImageGroup
from unitscope.analyses.image_pairs import Pairs, pairs_of
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class Similarity(Result):
    """Similarity of image groups at one layer (paper, table 3).

    Attributes:
        layer: the layer.
        labels: names of the groups.
        images: number of images in each group.
        matrix: cosines of the mean responses, float64 ``[group, group]``, symmetric with a diagonal of 1; NaN for
            groups whose mean responses are all zero or not finite.
        pairs: the same over pairs of images; None if each group is one image.
        network: name of the network; empty if unknown.
        shows: for each group the labels of the image that it is, joined; empty strings for classes, or no items at all.
        clustered: whether groups are ordered by similarity, so that figures show the tree.
    """

    kind: ClassVar[str] = "similarity"

    layer: Layer
    labels: tuple[str, ...]
    images: tuple[int, ...]
    matrix: Matrix
    pairs: Pairs | None
    network: str = ""
    shows: tuple[str, ...] = ()
    clustered: bool = False

    def values(self) -> Values:
        """Return plain values; docs/commands/similarity.md lists the keys."""
        names = ("mean", "std", "count")
        pairs = {} if self.pairs is None else {"pairs": {name: getattr(self.pairs, name).tolist() for name in names}}
        return {
            "network": self.network,
            "layer": self.layer.name,
            "labels": list(self.labels),
            "shows": list(self.shows),
            "images": list(self.images),
            "matrix": self.matrix.tolist(),
            **pairs,
            "clustered": self.clustered,
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        name, pairs = values["layer"], values.get("pairs")
        return cls(
            layers_by_name(values, [name])[name],
            tuple(values["labels"]),
            tuple(values["images"]),
            np.array(values["matrix"], np.float64),
            pairs and Pairs.from_values(pairs),
            values["network"],
            tuple(values["shows"]),
            values["clustered"],
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the matrix, and the means over pairs of images if there are any."""
        beside = {"image or class": self.labels} | ({"label": self.shows} if any(self.shows) else {})
        tables = {f"Cosine similarity at {self.layer.display_name}": matrix_table(beside, self.matrix)}
        if self.pairs is not None:
            tables["Over pairs of images"] = self._pairs_table(self.pairs)
        return tables

    def _pairs_table(self, pairs: Pairs) -> pd.DataFrame:
        rows = [
            (
                *(self.labels[index] for index in at),
                *(each[at] for each in (self.matrix, pairs.mean, pairs.std, pairs.count)),
            )
            for at in combinations_with_replacement(range(len(self.labels)), 2)
            if max(self.images[index] for index in at) > 1
        ]
        columns = ["between", "and", "cosine of means", "mean over pairs", "standard deviation", "pairs"]
        table = pd.DataFrame(rows, columns=columns)
        table.attrs["decimals"] = 2
        return table

    @property
    def captions(self) -> tuple[str, ...]:
        """Names of the groups in a figure; see `captions_of`."""
        return captions_of(self.labels, self.shows)

    @property
    def tree(self) -> Matrix:
        """The hierarchical clustering of the groups; see `tree`."""
        return tree(self.matrix)

    def cluster(self) -> "Similarity":
        """Return the result with its groups ordered by similarity."""
        return replace(self.ordered(clustered_order(self.matrix)), clustered=True)

    def ordered(self, order: NDArray[np.int64]) -> "Similarity":
        """Return the result with its groups in another order."""
        grid, pairs = np.ix_(order, order), self.pairs
        return replace(
            self,
            labels=tuple(self.labels[number] for number in order),
            images=tuple(self.images[number] for number in order),
            shows=tuple(self.shows[number] for number in order) if self.shows else (),
            matrix=self.matrix[grid],
            pairs=pairs and Pairs(pairs.mean[grid], pairs.std[grid], pairs.count[grid]),
        )


def similarity(groups: Sequence[ImageGroup]) -> Similarity:
    """Return the cosines between the mean responses of image groups, and between pairs of images of larger groups.

    The cosine is ``x·y / (‖x‖ ‖y‖)`` for response vectors x and y ``[unit]`` (Shang, Yang and He, 2019, algorithm 3).

    Raises:
        UnitscopeError: if there are no groups, or they are from different layers.
    """
    layer = one_layer(groups)
    images = tuple(len(group.images) for group in groups)
    return Similarity(
        layer,
        tuple(group.name for group in groups),
        images,
        cosines(np.stack([group.mean for group in groups])),
        pairs_of(groups) if max(images) > 1 else None,
    )


def labels_shown(atlas: Atlas, names: Sequence[str]) -> tuple[str, ...]:
    """Return for each name the labels of the atlas's image with that id, joined by commas; empty for other names."""
    rows = [atlas.image_number(name) if _is_image(atlas, name) else None for name in names]
    return tuple("" if row is None else ", ".join(atlas.images["label_names"].iloc[row]) for row in rows)


def captions_of(names: Sequence[str], shows: Sequence[str]) -> tuple[str, ...]:
    """Return names for a figure: the labels of an image, with its file name if another image has the same labels."""
    if not shows:
        return tuple(names)
    counts = Counter(shows)
    return tuple(
        (label if counts[label] == 1 else f"{label} · {name.rpartition('/')[2]}") if label else name
        for name, label in zip(names, shows, strict=True)
    )


def matrix_table(beside: Values, matrix: Matrix) -> pd.DataFrame:
    """Return a matrix as a table with numbered rows and columns, after columns with the names of the rows."""
    numbers = range(1, len(matrix) + 1)
    table = pd.DataFrame(matrix, columns=[str(number) for number in numbers])
    for index, (title, names) in enumerate(({"": numbers} | beside).items()):
        table.insert(index, title, list(names))
    table.attrs["decimals"] = 2
    return table


def _is_image(atlas: Atlas, name: str) -> bool:
    return not name.startswith(CLASS) and atlas.has_image(name)


def one_layer(groups: Sequence[ImageGroup]) -> Layer:
    """Return the layer of all groups.

    Raises:
        UnitscopeError: if there are no groups, or they are from different layers.
    """
    if not groups:
        raise UnitscopeError("there are no images to compare; give two or more images or classes")
    layers = {group.layer.name: group.layer for group in groups}
    if len(layers) > 1:
        raise UnitscopeError(
            f"images at different layers can't be compared ({', '.join(layers)}); use the same layer for all"
        )
    return groups[0].layer
