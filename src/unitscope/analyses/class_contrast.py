"""Units that respond less to a class than to other images: the Mann-Whitney test for each unit.

In: an atlas, a layer, a class. Out: `Inhibition`.
Classes are always compared with the same images: all readable ones, or a random sample of `MAX_IMAGES`. Their responses
are sorted once, and the images of any class are then ranked among them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from unitscope.analyses.image_groups import class_rows, find_class
from unitscope.analyses.inhibition import MIN_IMAGES, Inhibition, ranked, require_min
from unitscope.analyses.near_duplicates import distinct_rows
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.units import Layer

MAX_IMAGES = 4096
_FEW = 100  # images of a class; with more, the normal approximation is good for equal responses, too
SEED = 0
# Maximum number of responses to read and rank at once (about 50 bytes each), and minimum number of units.
_AT_ONCE, _MIN_UNITS = 2_000_000, 16

Rows = NDArray[np.int64]
Responses = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSample:
    """Responses of some units of a layer to the images that classes are compared with.

    Attributes:
        atlas: the atlas.
        layer: the layer.
        units: slice of its units.
        rows: row numbers of the images in the atlas, int64 ``[image]``; see `reference_rows`.
        ordered: responses of each unit, ascending, float32 ``[unit, image]``.
        ties: sum of t³ - t over the groups of t equal responses of each unit, float64 ``[unit]``.
    """

    atlas: Atlas
    layer: Layer
    units: slice
    rows: Rows
    ordered: Responses
    ties: Floats

    @classmethod
    def of(
        cls, atlas: Atlas, layer: Layer, units: slice = slice(None), *, rows: Rows | None = None
    ) -> "ReferenceSample":
        """Return the sample for some units of a layer, by default for all; ``rows`` are those of `reference_rows`."""
        rows = reference_rows(atlas) if rows is None else rows
        ordered = np.sort(_numbers(atlas.responses(layer, rows, units)).T, axis=1)
        return cls(atlas, layer, units, rows, ordered, np.array([_ties(unit) for unit in ordered]))

    def without(self, rows: Rows) -> "ReferenceSample":
        """Return the sample without some of its images."""
        gone = np.sort(_numbers(self.atlas.responses(self.layer, rows, self.units)).T, axis=1)
        units = zip(self.ordered, gone, strict=True)
        ordered = np.stack([np.delete(unit, _positions(unit, some)) for unit, some in units])
        ties = np.array([_ties(unit) for unit in ordered])
        return replace(self, rows=np.setdiff1d(self.rows, rows), ordered=ordered, ties=ties)

    def contrast(self, rows: Rows) -> pd.DataFrame:
        """Return the table of `class_inhibition` for these units, unsorted and without corrected p-values.

        Args:
            rows: row numbers of the class's images; images in the sample are not compared with themselves.
        """
        own = np.isin(rows, self.rows)
        others = len(self.rows) - int(own.sum())
        responses = _numbers(self.atlas.responses(self.layer, rows, self.units))
        found = self._statistics(responses, own)
        inside, outside = responses.mean(0, dtype=np.float64), self._mean_without(responses[own])
        return pd.DataFrame(
            {
                "unit": np.arange(self.layer.units)[self.units],
                "inside": inside,
                "outside": outside,
                "contrast": inside - outside,
                "effect_size": 2 * found[:, 0] / (len(rows) * others) - 1,
                "p_value": _p_value(found, len(rows), others),
                "images": len(rows),
            }
        )

    def _statistics(self, responses: Responses, own: NDArray[np.bool_]) -> Floats:
        """Return the numbers of `_statistic` of each unit, float64 ``[unit, 3]``."""
        units = zip(self.ordered, responses.T, self.ties, strict=True)
        found = [_statistic(ordered, unit, own, ties) for ordered, unit, ties in units]
        return np.array(found, np.float64).reshape(-1, 3)

    def _mean_without(self, own: Responses) -> Floats:
        """Return the mean of the sample without the images of the class; exactly zero if all others are zero."""
        sums = self.ordered.sum(1, dtype=np.float64) - own.sum(0, dtype=np.float64)
        silent = np.count_nonzero(self.ordered, axis=1) == np.count_nonzero(own, axis=0)
        return np.where(silent, 0, sums) / (len(self.rows) - len(own))  # type: ignore[no-any-return]


def class_inhibition(
    atlas: Atlas, layer: str | Layer, name: str, *, sample: ReferenceSample | None = None
) -> Inhibition:
    """Return the units of a layer, ranked by how much less they respond to a class than to other images.

    If more than `MAX_IMAGES` images could be read, the others come from a random sample of `MAX_IMAGES` images (always
    with seed 0). ``others`` and ``others_in_atlas`` of the result are the numbers of compared and of all other images.

    The columns of ``units`` are as in `map_contrast`, where inside and outside are the mean α on the class and on the
    others. effect_size is Cliff's delta (1993), ``2U / (m n) - 1``, and p_value that of the one-sided test with this U
    (Mann and Whitney, 1947), with the null hypothesis that responses are not lower on the class; see `_p_value`. There
    is no d_z, since images are not paired. Units with a NaN response are left out.

    Near-duplicates count once, in the class and among the others, as they are not independent; ``left_out`` is the
    number of further images of the class.

    Args:
        atlas: the atlas.
        layer: the layer.
        name: name of the class.
        sample: the sample for all units of the layer, if it is already available; the result is the same without it.

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        UnitscopeError: if there is no such class, or fewer than `MIN_IMAGES` images of it or of others, without
            near-duplicates.
    """
    found, every = atlas.find(layer), class_rows(atlas, name)
    label = atlas.manifest.labels[find_class(atlas, name)]
    rows = distinct_rows(atlas, every)
    reference = reference_rows(atlas) if sample is None else sample.rows
    others = len(np.setdiff1d(reference, every))
    _require_distinct(len(rows), len(every), label.name)
    require_min(others, f"images that are not of class '{label.name}', without near-duplicates")
    spans = _spans(found.units, len(rows) + len(reference))
    made = (ReferenceSample.of(atlas, found, span, rows=reference) for span in spans)
    repeated = np.setdiff1d(np.intersect1d(reference, every), rows)
    samples = (each.without(repeated) if len(repeated) else each for each in (made if sample is None else [sample]))
    table = pd.concat([each.contrast(rows) for each in samples], ignore_index=True)
    return Inhibition(
        found,
        label.name,
        "class contrast",
        tuple(atlas.images["image"].iloc[rows]),
        others,
        len(every) - len(rows),
        ranked(table[(table["outside"] > 0) & table["inside"].notna()]),
        label.network_class,
        others_in_atlas=len(atlas.readable) - len(every),
    )


def reference_rows(atlas: Atlas) -> Rows:
    """Return the row numbers of the images that classes are compared with, without near-duplicates.

    They are those of all readable images, or of a random sample.
    """
    rows = atlas.readable
    if len(rows) > MAX_IMAGES:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, MAX_IMAGES, replace=False))
    return distinct_rows(atlas, rows)


def _require_distinct(distinct: int, images: int, name: str) -> None:
    require_min(images, f"images of class '{name}'")
    if distinct < MIN_IMAGES:
        raise UnitscopeError(
            f"the {images} images of class '{name}' are near-duplicates of {distinct}, such as crops of one "
            f"photograph; a test of inhibition needs {MIN_IMAGES} images that are not"
        )


def _spans(units: int, images: int) -> Iterator[slice]:
    """Return slices of a layer's units, small enough for their responses and ranks to fit into memory."""
    step = max(_MIN_UNITS, _AT_ONCE // images)
    return (slice(start, min(start + step, units)) for start in range(0, units, step))


def _numbers(responses: Responses) -> Responses:
    """Return responses with NaN in place of infinite values."""
    responses[np.isinf(responses)] = np.nan
    return responses


def _statistic(ordered: Responses, unit: Responses, own: NDArray[np.bool_], ties: float) -> tuple[float, float, int]:
    """Return U of a unit's responses to a class, without the class's images in the sample, and the ties of all.

    The last number is how many of all compared responses equal the lowest.
    """
    of_class = np.sort(unit)
    own_ordered = np.sort(unit[own])
    below = _below(ordered, of_class).sum() - (_below(own_ordered, of_class).sum() if len(own_ordered) else 0)
    added = np.sort(unit[~own])
    # A response that joins t equal ones adds (t + 1)³ - (t + 1) - (t³ - t) = 3 t (t + 1). Equal responses of the class
    # are added one by one.
    equal = np.searchsorted(ordered, added, "right") - np.searchsorted(ordered, added, "left")
    equal = equal + np.arange(len(added)) - np.searchsorted(added, added, "left")
    lowest = min(ordered[0], of_class[0])
    shared = np.searchsorted(ordered, lowest, "right") + np.searchsorted(added, lowest, "right")
    return float(below), ties + 3.0 * float((equal * (equal + 1)).sum()), int(shared)


def _below(ordered: Responses, values: Responses) -> Floats:
    """Return the number of responses below each value; equal ones count as halves."""
    ends = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return ends / 2  # type: ignore[no-any-return]


def _positions(ordered: Responses, some: Responses) -> Rows:
    """Return where some responses are among all, both ascending; equal ones one after the other."""
    first = np.searchsorted(some, some, "left")
    return np.searchsorted(ordered, some, "left") + np.arange(len(some)) - first


def _ties(ordered: NDArray[Any]) -> float:
    ends = np.flatnonzero(np.diff(ordered))
    groups = np.diff(np.concatenate([[-1], ends, [len(ordered) - 1]])).astype(np.float64)
    return float((groups**3 - groups).sum())


def _p_value(found: Floats, images: int, others: int) -> Floats:
    """Return the one-sided p-value of each row of `_statistic`, U, ties and number of lowest responses.

    It is the normal approximation, corrected for ties and continuity, as in SciPy. That is too small if the class has
    few images and many responses are equal, as the zeros after a ReLU: then it is the mean over the number of the
    class's images with the lowest response, which is hypergeometric, and the approximation is for the other images.
    """
    statistic, ties, lowest = found.T
    p_values = _normal_tail(statistic, ties, np.float64(images), np.float64(images + others))
    shared = (lowest > 1) & (images <= _FEW)
    if shared.any():
        columns = statistic[shared, None], ties[shared, None], lowest[shared, None]
        p_values[shared] = _mixed_tail(*columns, images, images + others)
    return p_values


def _mixed_tail(statistic: Floats, ties: Floats, lowest: Floats, images: int, count: int) -> Floats:
    """Return the probability of a U that is at most the observed one, ``[unit]``, from columns ``[unit, 1]``."""
    low = np.arange(images + 1)  # images of the class with the lowest response
    high, known = images - low, count - lowest
    # Each image with the lowest response is level with those of the others, and each other image is above them.
    rest = statistic - (lowest - low) * (low / 2 + high)
    tail = _normal_tail(rest, ties - (lowest**3 - lowest), high, known)
    chance = stats.hypergeom.pmf(low, count, lowest, images)
    return np.clip((chance * np.where(rest < 0, 0, tail)).sum(1), 0, 1)  # type: ignore[no-any-return]


def _normal_tail(statistic: Floats, ties: Floats, images: Any, count: Any) -> Floats:
    """Return the probability that U of some of ``count`` images is at most the observed one; 1 if it can't differ."""
    with np.errstate(divide="ignore", invalid="ignore"):
        product = images * (count - images)
        spread = np.sqrt(np.maximum(product / 12 * (count + 1 - ties / (count * (count - 1))), 0))
        tail = stats.norm.cdf((statistic + 0.5 - product / 2) / spread)
    return np.where(spread > 0, tail, 1.0)  # type: ignore[no-any-return]
