"""The units that are most selective for a class, by the class selectivity index, beside its level for shuffled labels.

In: an atlas, a layer, a class. Out: `Selectivity`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.class_units import class_layer_note
from unitscope.analyses.image_groups import class_rows, find_class
from unitscope.analyses.near_duplicates import MAX_IMAGES, distinct_rows
from unitscope.analyses.shuffled_labels import LabelledGroups, shuffled_selectivity
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, columns_of, frame_of, layer_table, layers_by_name
from unitscope.text import count_noun
from unitscope.units import Layer

MIN_IMAGES = 5
"""Minimum number of images of a class, without near-duplicates, for a unit to be selective for it."""

SELECTIVITY = ("selective_class", "selectivity", "d_prime")

_KEYS = ("images", "distinct_images")


@dataclass(frozen=True, slots=True, eq=False)
class Selectivity(Result):
    """The units of a layer whose highest class mean is that of a class.

    Attributes:
        layer: the layer.
        concept: name of the class.
        units: one row per unit: unit, selectivity (see `selectivity_index`), shuffled (its greatest value in 19
            shuffles of the labels; NaN without stored responses), d_prime (see `d_prime`), mean (α over the images of
            the class); the most selective first.
        images: number of readable images of the class; None if unknown.
        distinct_images: the same without near-duplicates; None if unknown.
        class_note: that the layer's units are the network's classes, in words; empty if they are not.
    """

    kind: ClassVar[str] = "selectivity"

    layer: Layer
    concept: str
    units: pd.DataFrame
    images: int | None = None
    distinct_images: int | None = None
    class_note: str = ""

    def values(self) -> Values:
        """Return plain values: the columns of ``units`` as lists."""
        return {
            "layer": self.layer.name,
            "concept": self.concept,
            **{key: getattr(self, key) for key in _KEYS},
            "units": columns_of(self.units),
            "class_note": self.class_note,
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        name, counts = values["layer"], {key: values.get(key) for key in _KEYS}
        layer, units = layers_by_name(values, [name])[name], frame_of(values["units"])
        return cls(layer, values["concept"], units, **counts, class_note=values.get("class_note", ""))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the table of the units whose index exceeds its level, or of all if there is no level."""
        return {"; ".join(filter(None, (self.title, self.note, self.class_note))): self.found}

    @property
    def title(self) -> str:
        """The result in words."""
        return f"{self.layer.display_name}: units most selective for {self.concept}"

    @property
    def has_level(self) -> bool:
        """Whether there is a level for shuffled labels."""
        return "shuffled" in self.units and (self.units.empty or not self.units["shuffled"].isna().all())

    @property
    def found(self) -> pd.DataFrame:
        """The units whose index exceeds that of shuffled labels; none if there are too few distinct images.

        All units if there is no level, as the scan did not store responses.
        """
        if self._too_few:
            return self.units.head(0)
        if not self.has_level:
            return self.units
        return self.units[self.units["selectivity"] > self.units["shuffled"]].reset_index(drop=True)

    @property
    def note(self) -> str:
        """How many units exceed the level, or why none does."""
        if self._too_few:
            return f"{few_images(self.concept, self.images, self.distinct_images)}, so no unit can be called selective"
        units = count_noun(len(self.units), "unit")
        every = f"{units} {'has its' if len(self.units) == 1 else 'have their'} highest class mean for it"
        if not self.has_level:
            return f"{every}; there is no level for shuffled labels, as responses are not stored or too many"
        return f"{every}, {len(self.found)} of them with a higher index than for shuffled labels"

    @property
    def _too_few(self) -> bool:
        return self.distinct_images is not None and self.distinct_images < MIN_IMAGES


def few_images(concept: str, images: int | None, distinct: int | None) -> str:
    """Return in words how few images a class has, with and without near-duplicates."""
    if images == distinct:
        return f"'{concept}' has {count_noun(images or 0, 'image')} of at least {MIN_IMAGES}"
    return f"the {images} images of '{concept}' are near-duplicates of {distinct}, of at least {MIN_IMAGES} needed"


def selective_units(
    atlas: Atlas,
    layer: str | Layer,
    name: str,
    *,
    groups: LabelledGroups | None = None,
    max_responses: int | None = None,
) -> Selectivity:
    """Return the units of a layer whose highest class mean is that of a class, ordered by the selectivity index.

    Args:
        atlas: the atlas.
        layer: the layer.
        name: name of the class.
        groups: the groups of its images, if they are already available; the result is the same without them.
        max_responses: shuffle labels only if the layer has at most this many responses; otherwise there is no level.

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        UnitscopeError: if there is no such class, or the images have fewer than two classes, or one image a class.
    """
    found, number = atlas.find(layer), find_class(atlas, name)
    label, units = atlas.manifest.labels[number], atlas.units_of(found)
    _check(atlas, units, label.name)
    rows = class_rows(atlas, label.label)
    groups = LabelledGroups.of(atlas) if groups is None else groups
    best, mean = _highest(atlas, found, number, units)
    level = np.full(int(best.sum()), np.nan)
    if max_responses is None or len(groups.rows) * found.units <= max_responses:
        level = shuffled_selectivity(atlas, found, np.flatnonzero(best), groups=groups)
    table = pd.DataFrame(
        {
            "unit": units["channel"].to_numpy()[best],
            "selectivity": units["selectivity"].to_numpy()[best],
            "shuffled": level,
            "d_prime": units["d_prime"].to_numpy()[best],
            "mean": mean[best],
        }
    )
    ordered = table.sort_values("selectivity", ascending=False, kind="stable", ignore_index=True)
    distinct, note = _distinct(atlas, rows, groups, number), class_layer_note(atlas, found)
    return Selectivity(found, label.name, ordered, len(rows), distinct, note)


def significant_selectivity(atlas: Atlas, layer: Layer, groups: LabelledGroups) -> pd.DataFrame:
    """Return the columns selective_class, selectivity, d_prime and shuffled of a layer's units; see `Selectivity`.

    All are missing for units whose index shuffled labels reach, or whose class has too few distinct images.
    """
    units = atlas.units_of(layer)[list(SELECTIVITY)]
    counts = zip(atlas.manifest.labels, groups.distinct_images, strict=True)
    enough = [label.name for label, count in counts if count >= MIN_IMAGES]
    shuffled = shuffled_selectivity(atlas, layer, groups=groups)
    above = units["selectivity"].to_numpy() > shuffled
    significant = units["selective_class"].isin(enough) & above
    return units.assign(shuffled=shuffled).where(significant, axis=0)


def _highest(
    atlas: Atlas, layer: Layer, number: int, units: pd.DataFrame
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which units respond most to a class on average, bool ``[unit]``, and the mean responses to it.

    The table has the name of a class, which several labels may share.
    """
    labels = atlas.manifest.labels
    alike = [index for index, label in enumerate(labels) if label.name == labels[number].name]
    means = atlas.class_means[alike, atlas.index.span(layer)]
    greatest = np.where(np.isfinite(means), means, -np.inf).argmax(0) == alike.index(number)
    best = greatest & (units["selective_class"] == labels[number].name).to_numpy()
    return best, means[alike.index(number)]


def _distinct(atlas: Atlas, rows: NDArray[np.int64], groups: LabelledGroups, number: int) -> int:
    """Return how many of a class's images are not near-duplicates."""
    if len(groups.rows) <= MAX_IMAGES:
        return int(groups.distinct_images[number])
    return len(distinct_rows(atlas, rows))


def _check(atlas: Atlas, units: pd.DataFrame, name: str) -> None:
    if "selectivity" not in units:
        raise UnitscopeError(f"selectivity needs images of two or more classes; atlas '{atlas.path}' has only '{name}'")
    if sum(count > 1 for count in atlas.label_counts.values()) < 2:
        raise UnitscopeError(
            f"selectivity needs two or more images in at least two classes, but atlas '{atlas.path}' has one image a "
            "class: any labels would give the same index; scan more images"
        )
