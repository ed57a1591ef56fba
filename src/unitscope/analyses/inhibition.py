"""Inhibitory units: bright elsewhere and dark on a concept, or holding a class back (paper, figure 3).

In: per image and unit what a map is on the concept and beside it, or α on a class and on others, or what a unit's
removal does to a logit. Out: data frames, the most inhibitory unit first. Where masks and maps come from is not known
here.

Units are ranked by a rank-based effect size, the one that the p-value beside it tests: it lies between -1 and 1
whatever a unit's scale is, and a few images in which the unit blazes can't unmake it, as they can Cohen's d_z.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from unitscope.analyses.image_groups import class_rows, find_class
from unitscope.analyses.paired_tests import cohens_dz, rank_biserial, signed_rank
from unitscope.analyses.statistics import benjamini_hochberg, holm
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.units import Layer

Values = NDArray[Any]

# With 4 images that all agree a one-sided signed-rank test gives p = 1/16: it can't ever find anything.
MIN_IMAGES = 5
# Responses read and ranked at once, some 50 bytes each; of fewer units than these, much would be read in vain.
_AT_ONCE, _UNITS_AT_LEAST = 2_000_000, 16


@dataclass(frozen=True, slots=True, eq=False)
class Inhibition:
    """The units of a layer by how much they are inhibited by a concept.

    Attributes:
        layer: the layer.
        concept: the class or category.
        by: ``map contrast`` or ``class contrast``.
        images: the ids of the images with the concept that were looked at.
        others: how many images without it they were compared with.
        left_out: how many more have it, but with too little of it, or too little else, in view.
        units: one row a unit, the most inhibitory first; see `map_contrast` and `class_contrast`.
        network_class: the number of the network's class that the concept is, as far as the atlas knows; else None.
        removal: what removal of the units does to a class's logit; None where it was not asked for.
    """

    layer: Layer
    concept: str
    by: str
    images: tuple[str, ...]
    others: int
    left_out: int
    units: pd.DataFrame
    network_class: int | None = None
    removal: "Removal | None" = None

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
    return _ranked(table[table["outside"] > 0])


def class_contrast(of_class: Values, of_others: Values) -> pd.DataFrame:
    """Return the units by how much less they respond to a class than to other images, ``[image, unit]`` both.

    Columns as in `map_contrast`, inside and outside being the mean α on the class and on the others; effect_size is
    Cliff's delta (1993), ``2U / (m n) − 1``, and p_value that of the test whose U it is (Mann and Whitney, 1947), one-
    sided, that responses are not lower on the class. There is no d_z: nothing is paired.

    Raises:
        UnitscopeError: if there are fewer than `MIN_IMAGES` images of either kind.
    """
    require_min(len(of_class), "images of the class")
    require_min(len(of_others), "other images")
    spans = _spans(of_class.shape[1], len(of_class) + len(of_others))
    return _compared((span, of_class[:, span], of_others[:, span]) for span in spans)


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


def class_inhibition(atlas: Atlas, layer: str | Layer, name: str) -> Inhibition:
    """Return a layer's units by how much less they respond to a class than to an atlas's other images.

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        UnitscopeError: if there is no such class, or there are fewer than `MIN_IMAGES` images of it, or of others.
    """
    found = atlas.find(layer)
    rows = class_rows(atlas, name)
    label = atlas.manifest.labels[find_class(atlas, name)]
    others = np.setdiff1d(atlas.readable, rows)
    require_min(len(rows), f"images of class '{label.name}'")
    require_min(len(others), f"images that are not of class '{label.name}'")
    spans = _spans(found.units, len(rows) + len(others))
    units = _compared((s, atlas.responses(found, rows, s), atlas.responses(found, others, s)) for s in spans)
    ids = tuple(atlas.images["image"].iloc[rows])
    return Inhibition(found, label.name, "class contrast", ids, len(others), 0, units, label.network_class)


def require_min(count: int, what: str) -> None:
    """Check that a test can find anything in so many images.

    Raises:
        UnitscopeError: if they are fewer than `MIN_IMAGES`.
    """
    if count < MIN_IMAGES:
        raise UnitscopeError(f"a test of inhibition needs at least {MIN_IMAGES} {what}; here are {count}")


def _spans(units: int, images: int) -> Iterator[slice]:
    """A layer's units, so few at once that their responses and ranks take little memory."""
    step = max(_UNITS_AT_LEAST, _AT_ONCE // images)
    return (slice(start, min(start + step, units)) for start in range(0, units, step))


def _compared(parts: Iterable[tuple[slice, Values, Values]]) -> pd.DataFrame:
    """The table of a layer that comes span by span, each with its responses to the class and to others."""
    table = pd.concat([_part(*part) for part in parts], ignore_index=True)
    return _ranked(table[table["outside"] > 0])


def ranked_contrast(inside: Values, outside: Values, **columns: Any) -> pd.DataFrame:
    """Return the table of `class_contrast` of means ``[unit]``, and of its columns effect_size, p_value and images."""
    table = _means(np.arange(len(inside)), inside, outside, **columns)
    return _ranked(table[table["outside"] > 0])


def _means(units: Values, inside: Values, outside: Values, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"unit": units, "inside": inside, "outside": outside, "contrast": inside - outside, **columns})


def _part(units: slice, of_class: Values, of_others: Values) -> pd.DataFrame:
    test = stats.mannwhitneyu(of_class, of_others, alternative="less", axis=0, method="asymptotic")
    inside, outside = (values.mean(0, dtype=np.float64) for values in (of_class, of_others))
    return _means(
        np.arange(units.start, units.stop),
        inside,
        outside,
        effect_size=2 * test.statistic / (len(of_class) * len(of_others)) - 1,
        p_value=test.pvalue,
        images=len(of_class),
    )


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The rows by effect, ties by contrast, then the lower unit; with p-values corrected for those that have a row."""
    corrected = table.assign(
        p_corrected=benjamini_hochberg(table["p_value"]),
        p_holm=holm(table["p_value"]),
    )
    return corrected.sort_values(["effect_size", "contrast", "unit"], ignore_index=True)
