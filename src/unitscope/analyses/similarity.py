"""How alike images and classes are to a layer: cosines of response vectors (paper, algorithm 3).

In: `ImageGroup` values. Out: `Similarity`, `SimilarityByLayer`, and the order in which like stands beside like.
The paper calls the cosine a distance; here, as there, 1 means alike. All sums are float64.
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
    """Cosines over all pairs of images, one of each of two subjects; no image is paired with itself.

    Images without a cosine, those that call up no unit, are in no pair. Within one subject each pair counts once.

    Attributes:
        mean: float64 ``[subject, subject]``; NaN where there is no pair.
        std: standard deviation over the pairs, float64 ``[subject, subject]``.
        count: how many pairs there are, int64 ``[subject, subject]``.
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
    """How alike some subjects are at one layer (paper, table 3).

    Attributes:
        layer: the layer.
        labels: the subjects' names.
        images: how many images each subject is the mean of.
        matrix: cosines of the mean responses, float64 ``[subject, subject]``, symmetric with a diagonal of 1; NaN for
            a subject without a cosine: all its responses are zero, or one of them is not a number.
        pairs: the same over pairs of images; None where each subject is one image.
        network: reference of the network; empty if unknown.
        shows: the labels of each subject that is an image, joined; empty for other subjects, or no item at all.
        clustered: whether like subjects stand side by side, so that figures show the tree.
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
        tables = {f"Cosine similarity at {self.layer.shown}": matrix_table(beside, self.matrix)}
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
        """The subjects' names in a figure; see `captions_of`."""
        return captions_of(self.labels, self.shows)

    @property
    def tree(self) -> Matrix:
        """The subjects joined to clusters; see `tree`."""
        return tree(self.matrix)

    def cluster(self) -> "Similarity":
        """Return the same with like subjects side by side."""
        return replace(self.ordered(clustered_order(self.matrix)), clustered=True)

    def ordered(self, order: NDArray[np.int64]) -> "Similarity":
        """Return the same with its subjects in another order."""
        at = np.ix_(order, order)
        found = self.pairs
        return replace(
            self,
            labels=tuple(self.labels[place] for place in order),
            images=tuple(self.images[place] for place in order),
            shows=tuple(self.shows[place] for place in order) if self.shows else (),
            matrix=self.matrix[at],
            pairs=found and Pairs(found.mean[at], found.std[at], found.count[at]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class SimilarityByLayer(Result):
    """How alike some subjects are at several layers.

    Attributes:
        layers: in the order given, shallow to deep.
        labels: the subjects' names.
        matrices: cosines of the mean responses, float64 ``[layer, subject, subject]``; NaN as in `Similarity`.
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
        """Return the subjects by number, and the cosine of each two at each layer."""
        subjects = {"": range(1, len(self.labels) + 1), "image or class": self.labels}
        pairs = list(combinations(range(len(self.labels)), 2))
        table = pd.DataFrame({f"{a + 1}–{b + 1}": self.matrices[:, a, b] for a, b in pairs})
        table.insert(0, "layer", [layer.shown for layer in self.layers])
        table.attrs["decimals"] = 2
        shows = {"label": self.shows} if any(self.shows) else {}
        return {"Compared": pd.DataFrame(subjects | shows), "Cosine similarity by layer": table}

    @property
    def captions(self) -> tuple[str, ...]:
        """The subjects' names in a figure; see `captions_of`."""
        return captions_of(self.labels, self.shows)


def similarity(subjects: Sequence[ImageGroup]) -> Similarity:
    """Return the cosines between subjects' mean responses, and between their single images where they have several.

    ``x·y / (‖x‖ ‖y‖)`` (Shang, Yang and He, 2019, algorithm 3), x and y being response vectors ``[unit]``.

    Raises:
        UnitscopeError: if there is no subject, or they are of different layers.
    """
    layer = _one_layer(subjects)
    images = tuple(len(subject.images) for subject in subjects)
    return Similarity(
        layer,
        tuple(subject.name for subject in subjects),
        images,
        cosines(np.stack([subject.mean for subject in subjects])),
        _pairs(subjects) if max(images) > 1 else None,
    )


def similarity_by_layer(at_layers: Iterable[Sequence[ImageGroup]]) -> SimilarityByLayer:
    """Return the cosines between the same subjects at layer after layer.

    Args:
        at_layers: the subjects at each layer, as `unitscope.inspection.new_images.image_groups_by_layer` gives them.

    Raises:
        UnitscopeError: if there is no layer or no subject.
    """
    layers: list[Layer] = []
    labels: tuple[str, ...] = ()
    matrices: list[Matrix] = []
    for subjects in at_layers:
        layers.append(_one_layer(subjects))
        labels = tuple(subject.name for subject in subjects)
        matrices.append(cosines(np.stack([subject.mean for subject in subjects])))
    if not layers:
        raise UnitscopeError("there is no layer to compare subjects at; give one or more")
    return SimilarityByLayer(tuple(layers), labels, np.stack(matrices))


def labels_shown(atlas: Atlas, names: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of each name that is an image of the atlas, joined by commas; empty for other names."""
    rows = [atlas.image_number(name) if _is_image(atlas, name) else None for name in names]
    return tuple("" if row is None else ", ".join(atlas.images["label_names"].iloc[row]) for row in rows)


def captions_of(names: Sequence[str], shows: Sequence[str]) -> tuple[str, ...]:
    """Return names for a figure: the labels of an image, with its file name if another image has the same labels."""
    if not shows:
        return tuple(names)
    often = Counter(shows)
    return tuple(
        (label if often[label] == 1 else f"{label} · {name.rpartition('/')[2]}") if label else name
        for name, label in zip(names, shows, strict=True)
    )


def matrix_table(beside: Values, matrix: Matrix) -> pd.DataFrame:
    """Return a matrix with numbered rows and columns; the names of the rows stand beside them."""
    numbers = range(1, len(matrix) + 1)
    table = pd.DataFrame(matrix, columns=[str(number) for number in numbers])
    for place, (title, names) in enumerate(({"": numbers} | beside).items()):
        table.insert(place, title, list(names))
    table.attrs["decimals"] = 2
    return table


def tree(matrix: ArrayLike) -> Matrix:
    """Return subjects joined to clusters, nearest first, as SciPy's linkage ``[merge, 4]``.

    Average linkage on 1 − cosine, like leaves beside like (Bar-Joseph et al., 2001). A subject without a cosine is as
    far from the others as can be, 2. A single subject is joined to none, so its tree has no merge.
    """
    distances = np.nan_to_num(np.clip(1 - np.asarray(matrix, np.float64), 0, 2), nan=2.0)
    if len(distances) < 2:
        return np.empty((0, 4))
    joined: Matrix = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return joined


def clustered_order(matrix: ArrayLike) -> NDArray[np.int64]:
    """Return the subjects' places ``[subject]`` in the order in which `tree` has its leaves."""
    count = len(np.asarray(matrix))
    return leaves_list(tree(matrix)).astype(np.int64) if count > 1 else np.arange(count)


def cosines(vectors: ArrayLike) -> Matrix:
    """Return the cosines ``[vector, vector]`` between vectors ``[vector, unit]``; NaN where there is none."""
    rays = unit_vectors(vectors)
    return symmetric(rays @ rays.T)


def unit_vectors(vectors: ArrayLike) -> Matrix:
    """Return vectors ``[vector, unit]`` at length 1; NaN for those of zeros and those with what is not a number."""
    given = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(given, axis=-1, keepdims=True)
    sound = np.isfinite(lengths) & (lengths > 0)
    rays: Matrix = np.divide(given, lengths, out=np.full(given.shape, np.nan), where=sound)
    return rays


def symmetric(matrix: Matrix) -> Matrix:
    """Return a matrix of cosines without what rounding left: exactly symmetric, from −1 to 1, 1 on the diagonal."""
    tidy = np.clip((matrix + matrix.T) / 2, -1, 1)
    np.fill_diagonal(tidy, np.where(np.isnan(np.diag(tidy)), np.nan, 1))
    return tidy


def _is_image(atlas: Atlas, name: str) -> bool:
    return not name.startswith(CLASS) and atlas.has_image(name)


def _one_layer(subjects: Sequence[ImageGroup]) -> Layer:
    if not subjects:
        raise UnitscopeError("there is nothing to compare; name two images or classes")
    layers = {subject.layer.name: subject.layer for subject in subjects}
    if len(layers) > 1:
        raise UnitscopeError(f"subjects of different layers can't be compared: {', '.join(layers)}; find all at one")
    return subjects[0].layer


@dataclass(frozen=True, slots=True, eq=False)
class _Rays:
    """A subject's images as vectors of length 1.

    ``root`` has a column of ones behind the units, and Rᵀ R of its rows is that of all images' vectors; so sums over
    pairs of squares, ‖R_a R_bᵀ‖², need no more rows than there are units, however many images a class has.
    """

    images: frozenset[str]
    total: Matrix
    root: Matrix

    @classmethod
    def of(cls, subject: ImageGroup) -> "_Rays":
        rays = unit_vectors(subject.responses)
        sound = np.flatnonzero(~np.isnan(rays[:, 0]))
        rays = rays[sound]
        root: Any = np.column_stack([rays, np.ones(len(rays))])
        if len(root) > root.shape[1]:
            root = np.linalg.qr(root, mode="r")
        return cls(frozenset(subject.images[row] for row in sound), rays.sum(0), root)

    def with_(self, other: "_Rays") -> tuple[float, float, int]:
        """Mean, standard deviation and number of the cosines between one image of each."""
        same = len(self.images & other.images)  # pairs of an image and itself, whose cosine is 1
        count = len(self.images) * len(other.images) - same
        if not count:
            return np.nan, np.nan, 0
        mean = float(np.clip((self.total @ other.total - same) / count, -1, 1))
        from_mean = self.root[:, :-1] @ other.root[:, :-1].T - mean * np.outer(self.root[:, -1], other.root[:, -1])
        squares = np.square(from_mean).sum() - same * (1 - mean) ** 2
        return mean, float(np.sqrt(max(squares, 0) / count)), count


def _pairs(subjects: Sequence[ImageGroup]) -> Pairs:
    """Exact, from sums of vectors of length 1: the sum of cosines over pairs is the product of two such sums."""
    rays = [_Rays.of(subject) for subject in subjects]
    mean, std = np.full((2, len(rays), len(rays)), np.nan)
    counts = np.zeros((len(rays), len(rays)), np.int64)
    for row, one in enumerate(rays):
        for column, other in enumerate(rays[: row + 1]):
            mean[row, column], std[row, column], count = one.with_(other)
            mean[column, row], std[column, row] = mean[row, column], std[row, column]
            counts[row, column] = counts[column, row] = count // 2 if row == column else count
    return Pairs(mean, std, counts)
