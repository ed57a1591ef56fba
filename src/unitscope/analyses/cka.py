"""Similarity between the layers of a network: linear CKA.

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

from unitscope.analyses.cosines import symmetric, unit_vectors
from unitscope.analyses.image_groups import CLASS, class_rows
from unitscope.analyses.similarity import matrix_table
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.text import count_noun
from unitscope.units import Layer

MAX_IMAGES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class LayerSimilarity(Result):
    """Similarity between layers for the same images.

    Attributes:
        layers: shallow to deep.
        images: number of images.
        matrix: linear CKA, float64 ``[layer, layer]``, from 0 to 1, symmetric with a diagonal of 1; NaN for layers
            with the same responses to all images, or with responses that are not finite.
        network: name of the network.
    """

    kind: ClassVar[str] = "layer_similarity"

    layers: tuple[Layer, ...]
    images: int
    matrix: NDArray[np.float64]
    network: str = ""

    def values(self) -> Values:
        """Return plain values; docs/commands/similarity.md lists the keys."""
        return {
            "network": self.network,
            "layers": [layer.name for layer in self.layers],
            "images": self.images,
            "matrix": self.matrix.tolist(),
            "layer_table": layer_table(self.layers),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        layers = layers_by_name(values, values["layers"])
        matrix = np.array(values["matrix"], np.float64)
        return cls(tuple(layers.values()), values["images"], matrix, values["network"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the matrix."""
        title = f"Linear CKA over {count_noun(self.images, 'image')}"
        return {title: matrix_table({"layer": [layer.display_name for layer in self.layers]}, self.matrix)}


def cka(atlas: Atlas, images: Sequence[str] = (), *, max_images: int = MAX_IMAGES) -> LayerSimilarity:
    """Return the linear CKA between an atlas's layers, over its images or those given by id or as ``class:NAME``.

    Images that could not be read are left out. If there are more than ``max_images`` images, that many are used,
    evenly spaced.

    Raises:
        ImageError, UnitscopeError: if there is no such image or class, or fewer than 3 images could be read; for two
            images, all layers are equally similar.
    """
    rows = _rows(atlas, images)
    count = min(max_images, len(rows))
    if count < 3:
        raise UnitscopeError(f"comparing layers needs at least 3 images that can be read, not {count}; give more")
    chosen = rows[np.arange(count) * len(rows) // count]
    layers = tuple(atlas.layers)
    matrix = linear_cka((atlas.responses(layer, chosen) for layer in layers), len(layers))
    return LayerSimilarity(layers, count, matrix, atlas.manifest.network_name)


def _rows(atlas: Atlas, images: Sequence[str]) -> NDArray[np.int64]:
    """Return the rows of the readable images, ascending, each once."""
    if not images:
        return atlas.readable
    named = [
        class_rows(atlas, name.removeprefix(CLASS)) if name.startswith(CLASS) else [atlas.image_number(name)]
        for name in images
    ]
    return np.intersect1d(atlas.readable, np.concatenate(named))


def linear_cka(layers: Iterable[NDArray[np.float32]], count: int) -> NDArray[np.float64]:
    """Return linear CKA ``[layer, layer]`` between response matrices ``[image, unit]`` of the same images.

    It is ``⟨K, L⟩ / (‖K‖ ‖L‖)`` with the centred Gram matrices K = HXXᵀH and L = HYYᵀH (Kornblith et al., 2019).
    With a generator, memory holds the responses of one layer at a time and half a Gram matrix per layer.

    Args:
        layers: the response matrix of each layer.
        count: the number of layers.
    """
    halves = (unit_vectors(_gram(_centred(responses))) for responses in layers)
    first = next(halves)
    grams = np.empty((count, len(first)))
    for row, half in zip(grams, chain([first], halves), strict=True):
        row[:] = half
    return symmetric(grams @ grams.T)


def _gram(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper half of a Gram matrix as a vector, scaled so that inner products equal those of the matrices."""
    gram = centred @ centred.T
    gram *= np.where(np.eye(len(gram), dtype=bool), 1, np.sqrt(2))  # entries off the diagonal occur twice
    return gram[np.triu_indices(len(gram))]


def _centred(responses: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return responses with mean 0 over the images, which centres the Gram matrix; constant units become exactly 0."""
    values = np.where(np.isfinite(responses), responses, np.nan).astype(np.float64)
    values -= values[0]
    values -= values.mean(0)
    return values
