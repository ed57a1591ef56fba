"""Inhibitory units: with dark maps on a concept and bright maps elsewhere, or with a removal that raises a logit.

In: for each image and unit the mean of a map on the concept and outside it, or the change of a logit after removal.
Out: `Inhibition`, with the most inhibitory unit first (paper, figure 3). `class_contrast` compares responses to a class
with others; masks and maps come from `experiments`.

Units are ranked by the rank-based effect size that the p-value tests. It is between -1 and 1 for any scale of a unit,
and, unlike Cohen's d_z, robust against a few images with very large values.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.paired_tests import cohens_dz, rank_biserial, signed_rank
from unitscope.analyses.statistics import benjamini_hochberg, holm
from unitscope.errors import UnitscopeError
from unitscope.notebook import short_repr
from unitscope.results import Result, frame_of, layer_table, layers_by_name
from unitscope.text import count_noun
from unitscope.units import Layer

Values = NDArray[Any]

# With 4 images, a one-sided signed-rank test gives p = 1/16 at best, so it can't be significant.
MIN_IMAGES = 5
_SHOWN = ["unit", "inside", "outside", "contrast", "by_place", "effect_size", "d_z", "p_value", "p_corrected"]
_REMOVAL = ["unit", "logit_change", "logit_d_z", "logit_p_value", "logit_p_corrected"]


@dataclass(frozen=True, slots=True, eq=False)
class Inhibition(Result):
    """The units of a layer, ranked by how much darker they are on a concept, or how much less they respond to it.

    That does not show that they inhibit the concept; a rise of its logit after removal does.

    Attributes:
        layer: the layer.
        concept: the class or category.
        by: ``map contrast`` or ``class contrast``.
        images: ids of the images with the concept.
        others: number of images without the concept that they are compared with.
        left_out: number of further images with the concept: near-duplicates and, for a map contrast, those with an
            object that has no outline, and those that show too little of the concept, or too little background.
        units: one row per unit, the most inhibitory first; see `map_contrast` and `class_inhibition`.
        network_class: number of the network's class that is the concept; None if unknown.
        removal: effect of removing the units on a class's logit; None if it was not measured.
        others_in_atlas: number of images in the atlas from which ``others`` is a sample; None for a map contrast.
        shortened_from: number of ranked units, if only the first are kept; otherwise None.
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
        """Number of ranked units."""
        return len(self.units) if self.shortened_from is None else self.shortened_from

    @property
    def title(self) -> str:
        """The result in words."""
        return found_units(self.layer, self.concept, self.by)

    def head(self, count: int) -> "Inhibition":
        """Return the inhibition with the first ``count`` units only."""
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
        """Return the units, and the effect of removing each if it was measured."""
        images = count_noun(len(self.images), "image")
        title = f"{self.title} ({images})"
        removed = ["logit_change", "logit_p_corrected"] if self.removal is not None else []
        tables = {title: self.units[[*(name for name in _SHOWN if name in self.units), *removed]]}
        if self.removal is not None:
            title = f"Units whose removal raises the logit of '{self.removal.class_name}'"
            tables[title] = self.removal.units[_REMOVAL]
        return tables

    def with_removal(self, removal: "Removal") -> "Inhibition":
        """Return the inhibition with a removal, and its logit_change and logit_p_corrected as columns of ``units``."""
        columns = removal.units[["unit", "logit_change", "logit_p_corrected"]]
        return replace(self, units=self.units.merge(columns, on="unit", how="left"), removal=removal)


@dataclass(frozen=True, slots=True, eq=False)
class Removal:
    """The units of a layer, ranked by how much removing each, alone, raises a class's logit.

    Attributes:
        class_name: the network's class.
        units: one row per unit, the largest rise first; see `logit_rise`.
    """

    class_name: str
    units: pd.DataFrame

    __repr__ = short_repr

    def values(self) -> dict[str, Any]:
        """Return plain values."""
        rows = self.units.drop(columns="images").to_dict("records")
        return {"class": self.class_name, "images": int(self.units["images"].max()), "units": rows}


def map_contrast(inside: Values, outside: Values, by_place: Values | None = None) -> pd.DataFrame:
    """Return the units, ranked by how dark their maps are on a concept.

    Objects are more often in the middle of images than at the edges, and many units are dark there in any image. If
    ``by_place`` is given, a unit must be darker on the concept than outside it, and by more than another image, without
    the concept, is under the same outlines. If the concept makes no difference, the two images can be exchanged, so
    their difference is symmetric around 0, as the signed-rank test assumes. The weaker effect and the larger p-value of
    the two tests count (an intersection-union test; Berger, 1982).

    Columns: unit; inside, outside, contrast (inside - outside) and by_place, means over the images; effect_size, the
    matched-pairs rank-biserial correlation of the contrasts (Kerby, 2014); d_z, their mean divided by their standard
    deviation (Cohen, 1988); p_value of Wilcoxon's (1945) signed-rank test, with the null hypothesis that maps are not
    darker inside, zeros left out; p_corrected (Benjamini and Hochberg, 1995) and p_holm, for the number of
    units; images. Units with an outside of 0 or less, such as dead units, are left out.

    Args:
        inside: mean of each map on the concept, ``[image, unit]``.
        outside: mean of each map outside the concept, ``[image, unit]``.
        by_place: contrast of another image, without the concept, under the same outlines, ``[image, unit]``; NaN for
            images without such a partner. No other image occurs twice.

    Raises:
        UnitscopeError: if there are fewer than `MIN_IMAGES` images.
    """
    require_min(len(inside), "images")
    dark, light = (np.asarray(values, np.float64) for values in (inside, outside))
    contrast = dark - light
    tested = [contrast]
    if by_place is not None:
        tested.append((contrast - by_place)[~np.isnan(by_place).all(1)])
    table = pd.DataFrame(
        {
            "unit": np.arange(contrast.shape[1]),
            "inside": dark.mean(0),
            "outside": light.mean(0),
            "contrast": contrast.mean(0),
            "by_place": np.nan if by_place is None else np.nanmean(np.asarray(by_place, np.float64), 0),
            "effect_size": np.maximum.reduce([rank_biserial(differences) for differences in tested]),
            "d_z": cohens_dz(contrast),
            "p_value": np.maximum.reduce([signed_rank(differences, "less") for differences in tested]),
            "images": len(contrast),
        }
    )
    return ranked(table[table["outside"] > 0])


def logit_rise(changes: Values) -> pd.DataFrame:
    """Return the units, ranked by how much their removal raises a logit; ``changes`` is ``[image, unit]``.

    Columns: unit; logit_change, the mean over the images; logit_d_z (Cohen, 1988); logit_p_value of Wilcoxon's
    signed-rank test as in `map_contrast`, with the null hypothesis that removal does not raise the logit;
    logit_p_corrected and logit_p_holm; images.

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


def found_units(layer: Layer, concept: str, by: str) -> str:
    """Return in words what units a contrast finds."""
    how = f"dark on '{concept}' and bright elsewhere" if by == "map contrast" else f"that respond less to '{concept}'"
    return f"Units of {layer.display_name} {how}"


def require_min(count: int, what: str) -> None:
    """Check that there are enough images for a test.

    Raises:
        UnitscopeError: if there are fewer than `MIN_IMAGES`.
    """
    if count < MIN_IMAGES:
        raise UnitscopeError(f"a test of inhibition needs at least {MIN_IMAGES} {what}, but there are {count}")


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows ordered by effect size, contrast and unit, with corrected p-values."""
    corrected = table.assign(
        p_corrected=benjamini_hochberg(table["p_value"]),
        p_holm=holm(table["p_value"]),
    )
    return corrected.sort_values(["effect_size", "contrast", "unit"], ignore_index=True)


def _table_of(rows: list[dict[str, Any]], images: int) -> pd.DataFrame:
    """Return the table of stored units."""
    return frame_of({name: [row[name] for row in rows] for name in rows[0]}).assign(images=images)
