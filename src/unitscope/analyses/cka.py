"""How alike the layers of a network see the same images: linear CKA.

In: an atlas. Out: `LayerSimilarity`. Layers have different units, so no cosine of their responses exists; but each
layer says how similar every two images are, and these similarities can be compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.image_groups import CLASS, class_rows
from unitscope.analyses.similarity import matrix_table, symmetric, unit_vectors
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.text import count_noun
from unitscope.units import Layer

MOST_IMAGES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class LayerSimilarity(Result):
    """How alike layers see the same images.

    Attributes:
        layers: shallow to deep.
        images: how many images it rests on.
        matrix: linear CKA, float64 ``[layer, layer]``, from 0 to 1, symmetric with a diagonal of 1; NaN for a layer
            that responds to all the images alike, or with what is not a number.
        network: reference of the network.
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
        return {title: matrix_table({"layer": [layer.shown for layer in self.layers]}, self.matrix)}


def cka(atlas: Atlas, images: Sequence[str] = (), *, most: int = MOST_IMAGES) -> LayerSimilarity:
    """Return how alike an atlas's layers see its images, or those named by id or as ``class:NAME``.

    Images that could not be read are left out; of more than ``most`` so many are taken, evenly spaced.

    Raises:
        ImageError, UnitscopeError: if there is no such image or class, or fewer than 3 images could be read: of two,
            all layers say the same.
    """
    rows = _rows(atlas, images)
    count = min(most, len(rows))
    if count < 3:
        raise UnitscopeError(f"layers are compared by what they say of 3 or more images, not of {count}; give more")
    chosen = rows[np.arange(count) * len(rows) // count]
    layers = tuple(atlas.layers)
    matrix = linear_cka((atlas.responses(layer, chosen) for layer in layers), len(layers))
    return LayerSimilarity(layers, count, matrix, str(atlas.manifest.network["reference"]))


def _rows(atlas: Atlas, images: Sequence[str]) -> NDArray[np.int64]:
    """Rows of the readable images, in order, each once."""
    if not images:
        return atlas.readable
    named = [
        class_rows(atlas, name.removeprefix(CLASS)) if name.startswith(CLASS) else [atlas.image_number(name)]
        for name in images
    ]
    return np.intersect1d(atlas.readable, np.concatenate(named))


def linear_cka(layers: Iterable[NDArray[np.float32]], count: int) -> NDArray[np.float64]:
    """Return linear CKA between so many response matrices ``[image, unit]`` of the same images, ``[layer, layer]``.

    ``⟨K, L⟩ / (‖K‖ ‖L‖)``, K = HXXᵀH and L = HYYᵀH being centred Gram matrices (Kornblith et al., 2019). Memory holds
    one layer's responses at a time, if they come one at a time, and half a Gram matrix of each.
    """
    halves = (unit_vectors(_gram(_centred(responses))) for responses in layers)
    first = next(halves)
    grams = np.empty((count, len(first)))
    for row, half in zip(grams, chain([first], halves), strict=True):
        row[:] = half
    return symmetric(grams @ grams.T)


def _gram(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upper half of a Gram matrix as a vector; products of such vectors are those of the whole matrices."""
    gram = centred @ centred.T
    gram *= np.where(np.eye(len(gram), dtype=bool), 1, np.sqrt(2))  # what is off the diagonal is there twice
    return gram[np.triu_indices(len(gram))]


def _centred(responses: NDArray[np.float32]) -> NDArray[np.float64]:
    """Units with mean 0 over the images, which centres their Gram matrix; where nothing varies, exactly 0."""
    values = np.where(np.isfinite(responses), responses, np.nan).astype(np.float64)
    values -= values[0]
    values -= values.mean(0)
    return values
