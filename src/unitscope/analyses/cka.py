"""Similarity between the layers of a network: linear CKA, debiased, with its level for shuffled images.

In: an atlas. Out: `LayerSimilarity`. Layers have different units, so their responses have no cosine. CKA instead
compares how similar each layer makes every pair of images.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.cosines import Matrix, symmetric, unit_vectors
from unitscope.analyses.image_groups import CLASS, class_rows
from unitscope.analyses.similarity import matrix_table
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.text import count_noun
from unitscope.units import Layer

MAX_IMAGES, MIN_IMAGES = 1000, 4
SHUFFLES, SEED = 19, 0  # a value above all 19 has p = 0.05 in a permutation test
_ENTRIES_AT_ONCE = 8192
_ROUNDING = 1e-10  # of the norm of a Gram matrix


@dataclass(frozen=True, slots=True, eq=False)
class LayerSimilarity(Result):
    """Similarity between layers for the same images.

    Attributes:
        layers: shallow to deep.
        images: number of images.
        matrix: linear CKA, float64 ``[layer, layer]``, symmetric with a diagonal of 1; NaN for layers with the same
            responses to all images, or with responses that are not finite. Debiased values may be slightly negative.
        network: name of the network.
        debiased: whether CKA is debiased, so that independent layers have a mean of 0.
        shuffled: greatest value in 19 random shuffles of one layer's images, float64 ``[layer, layer]``; None if
            unknown. A value above it is significant at 5%, as independent layers exceed it with a probability of 1/20
            (Hope, 1968).
    """

    kind: ClassVar[str] = "layer_similarity"

    layers: tuple[Layer, ...]
    images: int
    matrix: Matrix
    network: str = ""
    debiased: bool = True
    shuffled: Matrix | None = None

    def values(self) -> Values:
        """Return plain values; docs/commands/similarity.md lists the keys."""
        return {
            "network": self.network,
            "layers": [layer.name for layer in self.layers],
            "images": self.images,
            "debiased": self.debiased,
            "matrix": self.matrix.tolist(),
            "shuffled": None if self.shuffled is None else self.shuffled.tolist(),
            "layer_table": layer_table(self.layers),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        layers = layers_by_name(values, values["layers"])
        shuffled = values.get("shuffled")
        return cls(
            tuple(layers.values()),
            values["images"],
            np.array(values["matrix"], np.float64),
            values["network"],
            values.get("debiased", False),  # the first results were biased and did not say so
            None if shuffled is None else np.array(shuffled, np.float64),
        )

    @property
    def measure(self) -> str:
        """Name of the measure."""
        return "debiased linear CKA" if self.debiased else "linear CKA (biased)"

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the matrix, and the level that 5% of shuffles reach if it is known."""
        names = {"layer": [layer.display_name for layer in self.layers]}
        title = f"{self.measure[0].upper()}{self.measure[1:]} over {count_noun(self.images, 'image')}"
        tables = {title: matrix_table(names, self.matrix)}
        if self.shuffled is not None:
            tables[f"Greatest value in {SHUFFLES} shuffles of the images"] = matrix_table(names, self.shuffled)
        return tables


def cka(
    atlas: Atlas, images: Sequence[str] = (), *, max_images: int = MAX_IMAGES, debiased: bool = True
) -> LayerSimilarity:
    """Return the linear CKA between an atlas's layers, over its images or those given by id or as ``class:NAME``.

    Images that could not be read are left out. If there are more than ``max_images`` images, that many are used,
    evenly spaced. Each value has beside it the greatest one in 19 shuffles of a layer's images (always with seed 0).

    Args:
        atlas: the atlas.
        images: ids of images, or classes; by default all images.
        max_images: the maximum number of images.
        debiased: whether to use the unbiased estimator of HSIC; see `linear_cka`.

    Raises:
        ImageError, UnitscopeError: if there is no such image or class, or fewer than 4 images could be read; the
            unbiased estimator does not exist for 3.
    """
    rows = _rows(atlas, images)
    count = min(max_images, len(rows))
    if count < MIN_IMAGES:
        raise UnitscopeError(
            f"comparing layers needs at least {MIN_IMAGES} images that can be read, not {count}; give more"
        )
    chosen = rows[np.arange(count) * len(rows) // count]
    layers = tuple(atlas.layers)
    grams = _unit_grams((atlas.responses(layer, chosen) for layer in layers), len(layers), debiased=debiased)
    return LayerSimilarity(
        layers,
        count,
        symmetric(grams.T @ grams),
        atlas.manifest.network_name,
        debiased,
        _shuffled(grams, count, debiased=debiased),
    )


def _rows(atlas: Atlas, images: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of the readable images, ascending, each once."""
    if not images:
        return atlas.readable
    named = [
        class_rows(atlas, name.removeprefix(CLASS)) if name.startswith(CLASS) else [atlas.image_number(name)]
        for name in images
    ]
    return np.intersect1d(atlas.readable, np.concatenate(named))


def linear_cka(layers: Iterable[NDArray[np.float32]], count: int, *, debiased: bool = True) -> Matrix:
    """Return the linear CKA ``[layer, layer]`` between response matrices ``[image, unit]`` of the same images.

    It is ``HSIC(K, L) / √(HSIC(K, K) HSIC(L, L))`` for the Gram matrices K = XXᵀ and L = YYᵀ (Kornblith et al., 2019).
    The usual estimator of HSIC, the inner product of centred Gram matrices, is biased: with few images and many units
    even independent responses give values near 1. The debiased CKA uses the unbiased estimator of Song et al. (2012),
    as in Nguyen, Raghu and Kornblith (2021). It is the inner product of Gram matrices without their diagonals, centred
    as in Székely and Rizzo (2014), and needs 4 images.

    With a generator, memory holds the responses of one layer at a time and half a Gram matrix per layer.

    Args:
        layers: the response matrix of each layer.
        count: the number of layers.
        debiased: whether to use the unbiased estimator.
    """
    grams = _unit_grams(layers, count, debiased=debiased)
    return symmetric(grams.T @ grams)


def _unit_grams(layers: Iterable[NDArray[np.float32]], count: int, *, debiased: bool) -> Matrix:
    """Return the upper half of each layer's centred Gram matrix as a vector of length 1, float64 ``[entry, layer]``."""
    halves = (unit_vectors(_gram(_centred(responses), debiased=debiased)) for responses in layers)
    first = next(halves)
    grams = np.empty((len(first), count))  # images are shuffled several times faster than with a layer in each row
    for number, half in enumerate(chain([first], halves)):
        grams[:, number] = half
    return grams


def _gram(centred: Matrix, *, debiased: bool) -> Matrix:
    """Return the upper half of a Gram matrix as a vector, scaled so that inner products equal those of the matrices."""
    gram = centred @ centred.T
    if debiased:
        return np.sqrt(2) * _without_diagonal(gram)[np.triu_indices(len(gram), 1)]  # type: ignore[no-any-return]
    gram *= np.where(np.eye(len(gram), dtype=bool), 1, np.sqrt(2))  # entries off the diagonal occur twice
    return gram[np.triu_indices(len(gram))]


def _without_diagonal(gram: Matrix) -> Matrix:
    """Return a Gram matrix without its diagonal, centred so that its rows still sum to 0 (Székely and Rizzo, 2014).

    It is exactly zero if only rounding errors are left, as for images that are all equally far from each other.
    """
    count = len(gram)
    np.fill_diagonal(gram, 0)
    size = np.linalg.norm(gram)
    rows = gram.sum(0) / (count - 2)
    gram += rows.sum() / (count - 1) - rows - rows[:, None]
    np.fill_diagonal(gram, 0)
    return gram * (np.linalg.norm(gram) > _ROUNDING * size)  # type: ignore[no-any-return]


def _shuffled(grams: Matrix, images: int, *, debiased: bool) -> Matrix:
    """Return the greatest CKA over shuffles of one layer's images, float64 ``[layer, layer]``."""
    rng = np.random.default_rng(SEED)
    half = np.triu_indices(images, int(debiased))
    position = np.zeros((images, images), np.int64)
    position[half] = np.arange(len(half[0]))
    position = np.maximum(position, position.T)
    orders = (rng.permutation(images) for _ in range(SHUFFLES))
    products = [_inner_products(grams, position[order[half[0]], order[half[1]]]) for order in orders]
    greatest = np.triu(np.max(products, axis=0))
    return greatest + np.triu(greatest, 1).T  # type: ignore[no-any-return]


def _inner_products(grams: Matrix, order: NDArray[np.int64]) -> Matrix:
    """Return the inner product of each layer's vector with that of each layer whose entries are in another order."""
    total = np.zeros((grams.shape[1],) * 2)
    for start in range(0, len(order), _ENTRIES_AT_ONCE):
        some = slice(start, start + _ENTRIES_AT_ONCE)
        total += grams[some].T @ grams[order[some]]
    return total


def _centred(responses: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return responses with mean 0 over the images, which centres the Gram matrix; constant units become exactly 0."""
    values = np.where(np.isfinite(responses), responses, np.nan).astype(np.float64)
    values -= values[0]
    values -= values.mean(0)
    return values
