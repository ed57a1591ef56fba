"""How alike images and classes are to a layer: cosines of response vectors (paper, algorithm 3).

In: `ImageGroup` values. Out: `Similarity`, `SimilarityByLayer`, and the order in which like stands beside like.
The paper calls the cosine a distance; here, as there, 1 means alike. All sums are float64.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from unitscope.analyses.image_groups import ImageGroup
from unitscope.errors import UnitscopeError
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


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """How alike some subjects are at one layer (paper, table 3).

    Attributes:
        layer: the layer.
        labels: the subjects' names.
        images: how many images each subject is the mean of.
        matrix: cosines of the mean responses, float64 ``[subject, subject]``, symmetric with a diagonal of 1; NaN for
            a subject without a cosine: all its responses are zero, or one of them is not a number.
        pairs: the same over pairs of images; None where each subject is one image.
    """

    layer: Layer
    labels: tuple[str, ...]
    images: tuple[int, ...]
    matrix: Matrix
    pairs: Pairs | None

    @property
    def tree(self) -> Matrix:
        """The subjects joined to clusters; see `tree`."""
        return tree(self.matrix)

    def ordered(self, order: NDArray[np.int64]) -> "Similarity":
        """Return the same with its subjects in another order."""
        at = np.ix_(order, order)
        found = self.pairs
        return replace(
            self,
            labels=tuple(self.labels[place] for place in order),
            images=tuple(self.images[place] for place in order),
            matrix=self.matrix[at],
            pairs=found and Pairs(found.mean[at], found.std[at], found.count[at]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class SimilarityByLayer:
    """How alike some subjects are at several layers.

    Attributes:
        layers: in the order given, shallow to deep.
        labels: the subjects' names.
        matrices: cosines of the mean responses, float64 ``[layer, subject, subject]``; NaN as in `Similarity`.
    """

    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    matrices: NDArray[np.float64]


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
