"""Find the images of an atlas that are most similar to an image or a class.

In: an atlas and an `ImageGroup`. Out: `NearestImages`. Responses are read shard by shard, so memory holds one shard.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.cosines import unit_vectors
from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.similarity import one_layer
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, frame_of, layer_table, layers_by_name
from unitscope.units import Layer

# Rounded, since equal rows must tie, and the last digits of a product can depend on a row's position in memory.
_DIGITS = 12


@dataclass(frozen=True, slots=True, eq=False)
class NearestImages(Result):
    """The images that are most similar to each of some image groups at one layer.

    Attributes:
        layer: the layer.
        nearest: for each group's name one row per image: rank, image, similarity, label.
    """

    kind: ClassVar[str] = "nearest_images"

    layer: Layer
    nearest: dict[str, pd.DataFrame]

    def values(self) -> Values:
        """Return plain values; docs/commands/similarity.md lists the keys."""
        nearest: list[Any] = [{"subject": name, "images": t.to_dict("records")} for name, t in self.nearest.items()]
        return {"layer": self.layer.name, "nearest": nearest, "layer_table": layer_table([self.layer])}

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result with these `values`."""
        name, columns = values["layer"], ("rank", "image", "similarity", "label")
        tables = {
            each["subject"]: frame_of({column: [row[column] for row in each["images"]] for column in columns})
            for each in values["nearest"]
        }
        return cls(layers_by_name(values, [name])[name], tables)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return a table for each image group."""
        return {f"Nearest to {name} at {self.layer.display_name}": table for name, table in self.nearest.items()}


def nearest_images(atlas: Atlas, groups: Sequence[ImageGroup], count: int = 9) -> NearestImages:
    """Return the images with the largest cosine to the mean response of each of some groups of one layer.

    A group's own images are left out, and so are images without a cosine: those that could not be read or whose
    responses are all zero. Ties go to the image that comes first in the atlas. Can be fewer than ``count`` images.

    Raises:
        UnitscopeError: if there are no groups, or they are from different layers; if ``count`` is less than 1, or a
            group's mean response is zero or not finite.
    """
    return NearestImages(one_layer(groups), {one.name: _nearest(atlas, one, count) for one in groups})


def _nearest(atlas: Atlas, group: ImageGroup, count: int) -> pd.DataFrame:
    if count < 1:
        raise UnitscopeError(f"the number of nearest images must be at least 1, not {count}")
    found = cosines_with(atlas, group)
    found[atlas.images["image"].isin(group.images).to_numpy()] = np.nan
    rows = np.argsort(-found, kind="stable")[: min(count, int(np.isfinite(found).sum()))]
    images = atlas.images.iloc[rows]
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(rows) + 1),
            "image": images["image"].to_numpy(),
            "similarity": found[rows],
            "label": [", ".join(names) for names in images["label_names"]],
        }
    )


def cosines_with(atlas: Atlas, group: ImageGroup) -> NDArray[np.float64]:
    """Return the cosine of each image's responses with the group's mean response, float64 ``[image]``; NaN if none.

    Raises:
        UnitscopeError: if the group's mean response is zero or not finite.
    """
    aim = unit_vectors(group.mean)
    if np.isnan(aim).any():
        raise UnitscopeError(
            f"'{group.name}' has no similar images at layer '{group.layer.name}', since its responses are all zero "
            "or not finite; choose another layer"
        )
    products = [_products(block, aim) for block in _blocks(atlas, group.layer)]
    return np.clip(np.concatenate(products), -1, 1).round(_DIGITS)


def _products(block: NDArray[np.float32], aim: NDArray[np.float64]) -> NDArray[np.float64]:
    values = block.astype(np.float64)
    lengths = np.sqrt(np.vecdot(values, values))
    valid = np.isfinite(lengths) & (lengths > 0)
    return np.divide(  # type: ignore[no-any-return]
        np.vecdot(values, aim), lengths, out=np.full(len(values), np.nan), where=valid
    )


def _blocks(atlas: Atlas, layer: Layer) -> Iterator[NDArray[np.float32]]:
    """Yield a layer's responses shard by shard."""
    step = int(atlas.manifest.scan["shard_size"])
    for first in range(0, len(atlas.images), step):
        yield atlas.responses(layer, slice(first, first + step))
