"""Which images of an atlas are most like a subject.

In: an atlas and a `ImageGroup`. Out: a data frame. Responses are read shard by shard, so memory holds one at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.similarity import unit_vectors
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, frame_of, layer_table, layers_by_name
from unitscope.units import Layer

# The last digits of a product may depend on where in memory a row lies, and equal rows must tie.
_DIGITS = 12


@dataclass(frozen=True, slots=True, eq=False)
class NearestImages(Result):
    """The images nearest to some subjects at one layer.

    Attributes:
        layer: the layer.
        nearest: the table of `nearest_images` by the name of the subject.
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
        """Return the result that has these `values`."""
        name, columns = values["layer"], ("rank", "image", "similarity", "label")
        tables = {
            each["subject"]: frame_of({column: [row[column] for row in each["images"]] for column in columns})
            for each in values["nearest"]
        }
        return cls(layers_by_name(values, [name])[name], tables)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return a table for each subject."""
        return {f"Nearest to {name} at {self.layer.shown}": table for name, table in self.nearest.items()}


def nearest_to(atlas: Atlas, subjects: Sequence[ImageGroup], count: int = 9) -> NearestImages:
    """Return the images nearest to each of some subjects of one layer; see `nearest_images`."""
    return NearestImages(subjects[0].layer, {one.name: nearest_images(atlas, one, count) for one in subjects})


def nearest_images(atlas: Atlas, subject: ImageGroup, count: int = 9) -> pd.DataFrame:
    """Return the images whose responses have the greatest cosine with a subject's mean: rank, image, similarity, label.

    The subject's own images are left out, and so are images without a cosine: those that could not be read, or call up
    no unit of the layer. Ties go to the image that comes first in the atlas. There may be fewer images than asked for.

    Raises:
        UnitscopeError: if count is below 1, or the subject has no cosine with anything.
    """
    if count < 1:
        raise UnitscopeError(f"the number of nearest images must be at least 1, not {count}")
    found = cosines_with(atlas, subject)
    found[atlas.images["image"].isin(subject.images).to_numpy()] = np.nan
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


def cosines_with(atlas: Atlas, subject: ImageGroup) -> NDArray[np.float64]:
    """Return the cosine of each image's responses with a subject's mean, float64 ``[image]``; NaN where there is none.

    Raises:
        UnitscopeError: if the subject itself has no direction.
    """
    aim = unit_vectors(subject.mean)
    if np.isnan(aim).any():
        raise UnitscopeError(
            f"nothing is near '{subject.name}' at layer '{subject.layer.name}': its responses are all zero, or not "
            "numbers; choose another layer"
        )
    products = [_products(block, aim) for block in _blocks(atlas, subject.layer)]
    return np.clip(np.concatenate(products), -1, 1).round(_DIGITS)


def _products(block: NDArray[np.float32], aim: NDArray[np.float64]) -> NDArray[np.float64]:
    values = block.astype(np.float64)
    lengths = np.sqrt(np.vecdot(values, values))
    sound = np.isfinite(lengths) & (lengths > 0)
    return np.divide(  # type: ignore[no-any-return]
        np.vecdot(values, aim), lengths, out=np.full(len(values), np.nan), where=sound
    )


def _blocks(atlas: Atlas, layer: Layer) -> Iterator[NDArray[np.float32]]:
    """A layer's responses in whole shards, each read once."""
    step = int(atlas.manifest.scan["shard_size"])
    for first in range(0, len(atlas.images), step):
        yield atlas.responses(layer, slice(first, first + step))
