"""Overlap of images and classes at each layer: shared top units, and the cosine.

In: an atlas and the names of images or classes. Out: `LayerOverlap`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.chance import expected_overlap, overlap_tail
from unitscope.analyses.cosines import cosines
from unitscope.analyses.image_groups import CLASS, check_distinct, group_means, group_rows
from unitscope.analyses.independent_images import share_images
from unitscope.analyses.selection import TopK
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, columns_of, frame_of, layer_table, layers_by_name
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class LayerOverlap(Result):
    """Overlap of images and classes at each layer of an atlas.

    Attributes:
        names: names of the images and classes.
        top: number of units with the highest mean responses to compare; all units of smaller layers.
        table: one row per layer: layer, shared (number of units in the top of all), expected and p_value (as in
            `Rule`; p_value is NaN if images of one are near-duplicates of another's), cosine (smallest cosine between
            the mean responses of two of them; NaN if undefined).
        layers: the layers of the rows; those of results of earlier versions have only a name.
    """

    kind: ClassVar[str] = "layer_overlap"

    names: tuple[str, ...]
    top: int
    table: pd.DataFrame
    layers: tuple[Layer, ...]

    def values(self) -> Values:
        """Return plain values: the columns of the table as lists."""
        table = {"table": columns_of(self.table), "layer_table": layer_table(self.layers)}
        return {"names": list(self.names), "top": self.top, **table}

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        layers = layers_by_name(values, values["table"]["layer"])
        return cls(tuple(values["names"]), values["top"], frame_of(values["table"]), tuple(layers.values()))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the table, with all names of each layer."""
        shown = self.table.assign(layer=[layer.display_name for layer in self.layers])
        return {f"Units shared by {', '.join(self.names)} (top {self.top})": shown}


def layer_overlap(
    atlas: Atlas, names: Sequence[str], top: int = 9, *, means: Sequence[NDArray[np.float64]] | None = None
) -> LayerOverlap:
    """Return the overlap of images (ids) and classes (``class:NAME``) at each layer.

    Args:
        atlas: the atlas.
        names: names of two or more images or classes.
        top: number of units with the highest mean responses to compare.
        means: the result of `group_means` for each name, if it is already available.

    Raises:
        ImageError, UnitscopeError: if there is no such image or class, a name is given twice, or fewer than two are.
    """
    if len(names) < 2:
        raise UnitscopeError(f"an overlap needs two or more images or classes, not {len(names)}; give more")
    check_distinct(names)
    given = np.stack([group_means(atlas, name) for name in names] if means is None else means)
    table = pd.DataFrame([_row(layer, given[:, atlas.index.span(layer)], top) for layer in atlas.layers])
    if share_images(atlas, [_images(atlas, name) for name in names]):
        table["p_value"] = np.nan
    return LayerOverlap(tuple(names), top, table, tuple(atlas.layers))


def _images(atlas: Atlas, name: str) -> list[str]:
    """Return the ids of an image or a class; none for a file that is not in the atlas."""
    if not name.startswith(CLASS) and not atlas.has_image(name):
        return []
    return list(atlas.images["image"].iloc[group_rows(atlas, name)])


def _row(layer: Layer, means: NDArray[np.float64], top: int) -> Values:
    chosen = TopK(min(top, layer.units)).mask(layer, means)
    sizes, shared = chosen.sum(1).tolist(), int(chosen.all(0).sum())
    return {
        "layer": layer.name,
        "shared": shared,
        "expected": expected_overlap(sizes, layer.units),
        "p_value": overlap_tail(sizes, layer.units, shared),
        "cosine": float(cosines(means).min()),
    }
