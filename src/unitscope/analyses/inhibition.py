"""Inhibitory units: bright elsewhere and dark on a concept, or holding a class back (paper, figure 3).

In: per image and unit, what a map is on the concept and beside it, or how removal of the unit changes a logit.
Out: data frames, the most inhibitory unit first. `class_contrast` compares responses to a class with others; masks and
maps come from `experiments`.

Units are ranked by a rank-based effect size, the one that the p-value beside it tests: it lies between -1 and 1
whatever a unit's scale is, and a few images in which the unit blazes can't unmake it, as they can Cohen's d_z.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.paired_tests import cohens_dz, rank_biserial, signed_rank
from unitscope.analyses.statistics import benjamini_hochberg, holm
from unitscope.errors import UnitscopeError
from unitscope.results import Result, frame_of, layer_table, layers_by_name
from unitscope.text import count_noun
from unitscope.units import Layer

Values = NDArray[Any]

# With 4 images that all agree a one-sided signed-rank test gives p = 1/16: it can't ever find anything.
MIN_IMAGES = 5
_SHOWN = ["unit", "inside", "outside", "contrast", "by_place", "effect_size", "d_z", "p_value", "p_corrected"]
_REMOVAL = ["unit", "logit_change", "logit_d_z", "logit_p_value", "logit_p_corrected"]


@dataclass(frozen=True, slots=True, eq=False)
class Inhibition(Result):
    """The units of a layer by how much they are inhibited by a concept.

    Attributes:
        layer: the layer.
        concept: the class or category.
        by: ``map contrast`` or ``class contrast``.
        images: the ids of the images with the concept that were looked at.
        others: how many images without it they were compared with.
        left_out: how many more have it, but with too little of it, or too little else, in view.
        units: one row a unit, the most inhibitory first; see `map_contrast` and `class_inhibition`.
        network_class: the number of the network's class that the concept is, as far as the atlas knows; else None.
        removal: what removal of the units does to a class's logit; None where it was not asked for.
        others_in_atlas: how many images of the atlas ``others`` are a sample of; None for a map contrast.
        shortened_from: how many units were ranked, if only the first are kept; otherwise None.
    """

    kind: ClassVar[str] = "inhibition"

    layer: Layer
    concept: str
    by: str
    images: tuple[str, ...]
    others: int
    left_out: int
    units: pd.DataFrame
    network_class: int | None = None
    removal: "Removal | None" = None
    others_in_atlas: int | None = None
    shortened_from: int | None = None

    @property
    def ranked(self) -> int:
        """How many units were ranked."""
        return len(self.units) if self.shortened_from is None else self.shortened_from

    def head(self, count: int) -> "Inhibition":
        """Return the same with only the first units."""
        removal = self.removal and replace(self.removal, units=self.removal.units.head(count))
        return replace(self, units=self.units.head(count), removal=removal, shortened_from=self.ranked)

    def values(self) -> dict[str, Any]:
        """Return plain values; docs/commands/inhibitory.md lists the keys."""
        removal = {} if self.removal is None else {"removal": self.removal.values()}
        return {
            "layer": self.layer.name,
            "concept": self.concept,
            "by": self.by,
            "images": len(self.images),
            "others": self.others,
            "others_in_atlas": self.others_in_atlas,
            "left_out": self.left_out,
            "ranked": self.ranked,
            "units": self.units.drop(columns="images").to_dict("records"),
            **removal,
            "network_class": self.network_class,
            "image_ids": list(self.images),
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Self:
        """Return the result that has these `values`."""
        name, removal, images = values["layer"], values.get("removal"), tuple(values["image_ids"])
        return cls(
            layers_by_name(values, [name])[name],
            values["concept"],
            values["by"],
            images,
            values["others"],
            values["left_out"],
            _table_of(values["units"], len(images)),
            values["network_class"],
            removal and Removal(removal["class"], _table_of(removal["units"], removal["images"])),
            values["others_in_atlas"],
            values["ranked"],
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the units, and what the removal of each does if that was measured."""
        what = "on and beside" if self.by == "map contrast" else "of and not of"
        images = count_noun(len(self.images), "image")
        title = f"{self.layer.shown}: units that '{self.concept}' inhibits ({self.by}, {what} it; {images})"
        removed = ["logit_change", "logit_p_corrected"] if self.removal is not None else []
        tables = {title: self.units[[*(name for name in _SHOWN if name in self.units), *removed]]}
        if self.removal is not None:
            title = f"Units whose removal raises the logit of '{self.removal.class_name}'"
            tables[title] = self.removal.units[_REMOVAL]
        return tables

    def with_removal(self, removal: "Removal") -> "Inhibition":
        """Return the same with removal, each unit's logit_change and logit_p_corrected beside its contrast."""
        beside = removal.units[["unit", "logit_change", "logit_p_corrected"]]
        return replace(self, units=self.units.merge(beside, on="unit", how="left"), removal=removal)


@dataclass(frozen=True, slots=True, eq=False)
class Removal:
    """The units of a layer by how much the removal of each, alone, raises a class's logit.

    Attributes:
        class_name: the network's class.
        units: one row a unit, the one that holds the class back most first; see `logit_rise`.
    """

    class_name: str
    units: pd.DataFrame

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        rows = self.units.drop(columns="images").to_dict("records")
        return {"class": self.class_name, "images": int(self.units["images"].max()), "units": rows}


def map_contrast(inside: Values, outside: Values, by_place: Values | None = None) -> pd.DataFrame:
    """Return the units by how dark their maps are on a concept, ``[image, unit]`` both: means on it and beside it.

    Things stand in the middle of pictures more often than at the edges, and many units are dark there whatever is to
    be seen. ``by_place``, the contrast that a unit's mean map over images *without* the concept has in the same places,
    ``[image, unit]``, tells them apart: where it is given, a unit must be darker on the concept than beside it, and
    darker than that, and the weaker effect and the greater p-value of the two count (an intersection–union test;
    Berger, 1982).

    Columns: unit; inside, outside, contrast (inside − outside) and by_place, means over the images; effect_size, the
    matched-pairs rank-biserial correlation of the contrasts (Kerby, 2014); d_z, their mean by their standard deviation
    (Cohen, 1988); p_value, Wilcoxon's (1945) signed-rank test that the maps are not darker inside, zeros ranked as in
    Pratt (1959); p_corrected (Benjamini and Hochberg, 1995) and p_holm, for the number of units; images.
    Units that are not bright elsewhere (outside not above 0), the dead among them, have no row.

    Raises:
        UnitscopeError: if there are fewer than `MIN_IMAGES` images.
    """
    require_min(len(inside), "images")
    dark, light = (np.asarray(values, np.float64) for values in (inside, outside))
    contrast = dark - light
    tested = [contrast] if by_place is None else [contrast, contrast - by_place]
    table = pd.DataFrame(
        {
            "unit": np.arange(contrast.shape[1]),
            "inside": dark.mean(0),
            "outside": light.mean(0),
            "contrast": contrast.mean(0),
            "by_place": np.nan if by_place is None else np.asarray(by_place, np.float64).mean(0),
            "effect_size": np.maximum.reduce([rank_biserial(differences) for differences in tested]),
            "d_z": cohens_dz(contrast),
            "p_value": np.maximum.reduce([signed_rank(differences, "less") for differences in tested]),
            "images": len(contrast),
        }
    )
    return ranked(table[table["outside"] > 0])


def logit_rise(changes: Values) -> pd.DataFrame:
    """Return the units by how much their removal raises a logit, ``[image, unit]``: after minus before.

    Columns: unit; logit_change, the mean over the images; logit_d_z (Cohen, 1988); logit_p_value, Wilcoxon's signed-
    rank test that removal does not raise it, as in `map_contrast`; logit_p_corrected and logit_p_holm; images.

    Raises:
        UnitscopeError: if there are fewer than `MIN_IMAGES` images.
    """
    require_min(len(changes), "images")
    given = np.asarray(changes, np.float64)
    p_value = signed_rank(given, "greater")
    table = pd.DataFrame(
        {
            "unit": np.arange(given.shape[1]),
            "logit_change": given.mean(0),
            "logit_d_z": cohens_dz(given),
            "logit_p_value": p_value,
            "logit_p_corrected": benjamini_hochberg(p_value),
            "logit_p_holm": holm(p_value),
            "images": len(given),
        }
    )
    return table.sort_values(["logit_change", "unit"], ascending=[False, True], ignore_index=True)


def require_min(count: int, what: str) -> None:
    """Check that a test can find anything in so many images.

    Raises:
        UnitscopeError: if they are fewer than `MIN_IMAGES`.
    """
    if count < MIN_IMAGES:
        raise UnitscopeError(f"a test of inhibition needs at least {MIN_IMAGES} {what}; here are {count}")


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by effect, ties by contrast, then the lower unit; with p-values corrected for their number."""
    corrected = table.assign(
        p_corrected=benjamini_hochberg(table["p_value"]),
        p_holm=holm(table["p_value"]),
    )
    return corrected.sort_values(["effect_size", "contrast", "unit"], ignore_index=True)


def _table_of(rows: list[dict[str, Any]], images: int) -> pd.DataFrame:
    """The table of stored units."""
    return frame_of({name: [row[name] for row in rows] for name in rows[0]}).assign(images=images)
