"""Similarity of images and classes at a layer: cosines of response vectors (paper, algorithm 3).

In: `ImageGroup` values. Out: `Similarity`, `SimilarityByLayer`, and their order after clustering.
The paper calls the cosine a distance; as in the paper, 1 means equal. All sums are float64.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, combinations_with_replacement
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from unitscope.analyses.image_groups import CLASS, ImageGroup
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Cosines over all pairs of different images, one from each of two groups.

    Images without a cosine, whose responses are all zero, are left out. Within one group, each pair counts once.

    Attributes:
        mean: mean cosine, float64 ``[group, group]``; NaN if there are no pairs.
        std: standard deviation over the pairs, float64 ``[group, group]``.
        count: number of pairs, int64 ``[group, group]``.
    """

    mean: Matrix
    std: Matrix
    count: NDArray[np.int64]

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the pairs of a stored `Similarity`."""
        mean, std = (np.array(values[name], np.float64) for name in ("mean", "std"))
        return cls(mean, std, np.array(values["count"], np.int64))


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
        network: reference of the network; empty if unknown.
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
                *(self.labels[place] for place in at),
                *(each[at] for each in (self.matrix, pairs.mean, pairs.std, pairs.count)),
            )
            for at in combinations_with_replacement(range(len(self.labels)), 2)
            if max(self.images[place] for place in at) > 1
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


@dataclass(frozen=True, slots=True, eq=False)
class SimilarityByLayer(Result):
    """Similarity of image groups at several layers.

    Attributes:
        layers: in the order given, shallow to deep.
        labels: names of the groups.
        matrices: cosines of the mean responses, float64 ``[layer, group, group]``; NaN as in `Similarity`.
        network: reference of the network; empty if unknown.
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


def similarity(groups: Sequence[ImageGroup]) -> Similarity:
    """Return the cosines between the mean responses of image groups, and between pairs of images of larger groups.

    The cosine is ``x·y / (‖x‖ ‖y‖)`` for response vectors x and y ``[unit]`` (Shang, Yang and He, 2019, algorithm 3).

    Raises:
        UnitscopeError: if there are no groups, or they are from different layers.
    """
    layer = _one_layer(groups)
    images = tuple(len(group.images) for group in groups)
    return Similarity(
        layer,
        tuple(group.name for group in groups),
        images,
        cosines(np.stack([group.mean for group in groups])),
        _pairs(groups) if max(images) > 1 else None,
    )


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
        layers.append(_one_layer(groups))
        labels = tuple(group.name for group in groups)
        matrices.append(cosines(np.stack([group.mean for group in groups])))
    if not layers:
        raise UnitscopeError("there is no layer at which to compare images; give one or more")
    return SimilarityByLayer(tuple(layers), labels, np.stack(matrices))


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
    for place, (title, names) in enumerate(({"": numbers} | beside).items()):
        table.insert(place, title, list(names))
    table.attrs["decimals"] = 2
    return table


def tree(matrix: ArrayLike) -> Matrix:
    """Return the hierarchical clustering of a cosine matrix as SciPy's linkage ``[merge, 4]``.

    Use average linkage on 1 - cosine with optimal leaf ordering (Bar-Joseph et al., 2001). Groups without a cosine have
    the maximum distance, 2. The tree of a single group has no merges.
    """
    distances = np.nan_to_num(np.clip(1 - np.asarray(matrix, np.float64), 0, 2), nan=2.0)
    if len(distances) < 2:
        return np.empty((0, 4))
    joined: Matrix = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return joined


def clustered_order(matrix: ArrayLike) -> NDArray[np.int64]:
    """Return the group numbers ``[group]`` in the order of the leaves of `tree`."""
    count = len(np.asarray(matrix))
    return leaves_list(tree(matrix)).astype(np.int64) if count > 1 else np.arange(count)


def cosines(vectors: ArrayLike) -> Matrix:
    """Return the cosines ``[vector, vector]`` between vectors ``[vector, unit]``; NaN if they are undefined."""
    rays = unit_vectors(vectors)
    return symmetric(rays @ rays.T)


def unit_vectors(vectors: ArrayLike) -> Matrix:
    """Return vectors ``[vector, unit]``, scaled to length 1; NaN if they are zero or not finite."""
    given = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(given, axis=-1, keepdims=True)
    valid = np.isfinite(lengths) & (lengths > 0)
    scaled: Matrix = np.divide(given, lengths, out=np.full(given.shape, np.nan), where=valid)
    return scaled


def symmetric(matrix: Matrix) -> Matrix:
    """Return a matrix of cosines without rounding errors: exactly symmetric, from -1 to 1, 1 on the diagonal."""
    rounded = np.clip((matrix + matrix.T) / 2, -1, 1)
    np.fill_diagonal(rounded, np.where(np.isnan(np.diag(rounded)), np.nan, 1))
    return rounded


def _is_image(atlas: Atlas, name: str) -> bool:
    return not name.startswith(CLASS) and atlas.has_image(name)


def _one_layer(groups: Sequence[ImageGroup]) -> Layer:
    if not groups:
        raise UnitscopeError("there are no images to compare; give two or more images or classes")
    layers = {group.layer.name: group.layer for group in groups}
    if len(layers) > 1:
        raise UnitscopeError(
            f"images at different layers can't be compared ({', '.join(layers)}); use the same layer for all"
        )
    return groups[0].layer


@dataclass(frozen=True, slots=True, eq=False)
class _UnitVectors:
    """The images of a group as vectors of length 1.

    ``root`` is the R factor of these vectors with a column of ones appended, so RᵀR is the same as for the vectors.
    Sums of squares over pairs, ‖R_a R_bᵀ‖², then need at most as many rows as there are units, even for large classes.
    """

    images: frozenset[str]
    total: Matrix
    root: Matrix

    @classmethod
    def of(cls, group: ImageGroup) -> "_UnitVectors":
        vectors = unit_vectors(group.responses)
        valid = np.flatnonzero(~np.isnan(vectors[:, 0]))
        vectors = vectors[valid]
        root: Any = np.column_stack([vectors, np.ones(len(vectors))])
        if len(root) > root.shape[1]:
            root = np.linalg.qr(root, mode="r")
        return cls(frozenset(group.images[row] for row in valid), vectors.sum(0), root)

    def compare(self, other: "_UnitVectors") -> tuple[float, float, int]:
        """Return mean, standard deviation and number of the cosines between one image of each group."""
        same = len(self.images & other.images)  # pairs of an image with itself, whose cosine is 1
        count = len(self.images) * len(other.images) - same
        if not count:
            return np.nan, np.nan, 0
        mean = float(np.clip((self.total @ other.total - same) / count, -1, 1))
        from_mean = self.root[:, :-1] @ other.root[:, :-1].T - mean * np.outer(self.root[:, -1], other.root[:, -1])
        squares = np.square(from_mean).sum() - same * (1 - mean) ** 2
        return mean, float(np.sqrt(max(squares, 0) / count)), count


def _pairs(groups: Sequence[ImageGroup]) -> Pairs:
    """Return exact statistics over pairs: the sum of their cosines is the product of two sums of unit vectors."""
    vectors = [_UnitVectors.of(group) for group in groups]
    mean, std = np.full((2, len(vectors), len(vectors)), np.nan)
    counts = np.zeros((len(vectors), len(vectors)), np.int64)
    for row, one in enumerate(vectors):
        for column, other in enumerate(vectors[: row + 1]):
            mean[row, column], std[row, column], count = one.compare(other)
            mean[column, row], std[column, row] = mean[row, column], std[row, column]
            counts[row, column] = counts[column, row] = count // 2 if row == column else count
    return Pairs(mean, std, counts)
