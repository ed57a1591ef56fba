"""Units that respond less to a class than to other images: Mann and Whitney's test, unit by unit.

In: an atlas, a layer, a class. Out: `Inhibition`.
A class is compared with the same images wherever it is asked about: all that could be read or, if there are more, a
random sample of `MAX_IMAGES`. They are sorted once, and the images of any class are then ranked among them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from unitscope.analyses.image_groups import class_rows, find_class
from unitscope.analyses.inhibition import Inhibition, ranked, require_min
from unitscope.atlas import Atlas
from unitscope.units import Layer

MAX_IMAGES = 4096
SEED = 0
# Responses read and ranked at once, about 50 bytes each, and the least units that are worth reading at once.
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
        units: which of its units.
        rows: of the images in the atlas, int64 ``[image]``; see `reference_rows`.
        ordered: the responses of each unit, ascending, float32 ``[unit, image]``.
        ties: the sum of t³ − t over the groups of t equal responses of each unit, float64 ``[unit]``.
    """

    atlas: Atlas
    layer: Layer
    units: slice
    rows: Rows
    ordered: Responses
    ties: Floats

    @classmethod
    def of(cls, atlas: Atlas, layer: Layer, units: slice = slice(None)) -> "ReferenceSample":
        """Return the sample of some units of a layer, all by default."""
        rows = reference_rows(atlas)
        ordered = np.sort(_numbers(atlas.responses(layer, rows, units)).T, axis=1)
        return cls(atlas, layer, units, rows, ordered, np.array([_ties(unit) for unit in ordered]))

    def contrast(self, rows: Rows) -> pd.DataFrame:
        """Return the table of `class_inhibition` for these units, unsorted and without corrected p-values.

        Args:
            rows: of the class in the atlas; those that are in the sample are not compared with themselves.
        """
        own = np.isin(rows, self.rows)
        others = len(self.rows) - int(own.sum())
        responses = _numbers(self.atlas.responses(self.layer, rows, self.units))
        statistic, ties = self._statistics(responses, own)
        inside, outside = responses.mean(0, dtype=np.float64), self._mean_without(responses[own])
        return pd.DataFrame(
            {
                "unit": np.arange(self.layer.units)[self.units],
                "inside": inside,
                "outside": outside,
                "contrast": inside - outside,
                "effect_size": 2 * statistic / (len(rows) * others) - 1,
                "p_value": _p_value(statistic, ties, len(rows), others),
                "images": len(rows),
            }
        )

    def _statistics(self, responses: Responses, own: NDArray[np.bool_]) -> tuple[Floats, ...]:
        """Mann and Whitney's U of a class, and the ties of all responses compared; float64 ``[unit]`` each."""
        units = zip(self.ordered, responses.T, self.ties, strict=True)
        found = np.array([_statistic(ordered, unit, own, ties) for ordered, unit, ties in units])
        return found[:, 0], found[:, 1]

    def _mean_without(self, own: Responses) -> Floats:
        """The mean of the sample without the images of the class; exactly zero where all others are zero."""
        sums = self.ordered.sum(1, dtype=np.float64) - own.sum(0, dtype=np.float64)
        silent = np.count_nonzero(self.ordered, axis=1) == np.count_nonzero(own, axis=0)
        return np.where(silent, 0, sums) / (len(self.rows) - len(own))  # type: ignore[no-any-return]


def class_inhibition(
    atlas: Atlas, layer: str | Layer, name: str, *, sample: ReferenceSample | None = None
) -> Inhibition:
    """Return the units of a layer by how much less they respond to a class than to the other images of an atlas.

    If more than `MAX_IMAGES` images could be read, the others are those among a random sample of `MAX_IMAGES` (always
    the same, of seed 0); ``others`` and ``others_in_atlas`` of the result say how many were compared and how many
    there are.

    Columns of ``units`` as in `map_contrast`, inside and outside being the mean α on the class and on the others.
    effect_size is Cliff's delta (1993), ``2U / (m n) − 1``, and p_value that of the one-sided test whose U it is (Mann
    and Whitney, 1947): the null is that responses are not lower on the class. There is no d_z, as nothing is paired.
    A unit with a response that is not a number has no row.

    Args:
        atlas: the atlas.
        layer: the layer.
        name: of the class.
        sample: the sample of all units of the layer, if it is at hand; the result is the same without it.

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        UnitscopeError: if there is no such class, or there are fewer than `MIN_IMAGES` images of it, or of others.
    """
    found, rows = atlas.find(layer), class_rows(atlas, name)
    label = atlas.manifest.labels[find_class(atlas, name)]
    reference = reference_rows(atlas)
    others = len(np.setdiff1d(reference, rows))
    require_min(len(rows), f"images of class '{label.name}'")
    require_min(others, f"images that are not of class '{label.name}'")
    spans = _spans(found.units, len(rows) + len(reference))
    samples = (ReferenceSample.of(atlas, found, span) for span in spans) if sample is None else [sample]
    table = pd.concat([each.contrast(rows) for each in samples], ignore_index=True)
    return Inhibition(
        found,
        label.name,
        "class contrast",
        tuple(atlas.images["image"].iloc[rows]),
        others,
        0,
        ranked(table[(table["outside"] > 0) & table["inside"].notna()]),
        label.network_class,
        others_in_atlas=len(atlas.readable) - len(rows),
    )


def reference_rows(atlas: Atlas) -> Rows:
    """Return the rows of the images that classes are compared with: all readable ones, or a random `MAX_IMAGES`."""
    rows = atlas.readable
    if len(rows) <= MAX_IMAGES:
        return rows
    return np.sort(np.random.default_rng(SEED).choice(rows, MAX_IMAGES, replace=False))


def _spans(units: int, images: int) -> Iterator[slice]:
    """The units of a layer, so few at once that their responses and ranks take little memory."""
    step = max(_MIN_UNITS, _AT_ONCE // images)
    return (slice(start, min(start + step, units)) for start in range(0, units, step))


def _numbers(responses: Responses) -> Responses:
    """Responses with NaN for those that are infinite."""
    responses[np.isinf(responses)] = np.nan
    return responses


def _statistic(ordered: Responses, unit: Responses, own: NDArray[np.bool_], ties: float) -> tuple[float, float]:
    """U of the responses of a unit to a class, its own images in the sample left out; and the ties of them all."""
    of_class = np.sort(unit)
    own_ordered = np.sort(unit[own])
    below = _below(ordered, of_class).sum() - (_below(own_ordered, of_class).sum() if len(own_ordered) else 0)
    added = np.sort(unit[~own])
    # A response added to t equal ones adds (t + 1)³ − (t + 1) − (t³ − t) = 3 t (t + 1); equal ones of the class are
    # added one after another.
    equal = np.searchsorted(ordered, added, "right") - np.searchsorted(ordered, added, "left")
    equal = equal + np.arange(len(added)) - np.searchsorted(added, added, "left")
    return float(below), ties + 3.0 * float((equal * (equal + 1)).sum())


def _below(ordered: Responses, values: Responses) -> Floats:
    """How many lie below each value; equal ones count as halves."""
    ends = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return ends / 2  # type: ignore[no-any-return]


def _ties(ordered: NDArray[Any]) -> float:
    ends = np.flatnonzero(np.diff(ordered))
    groups = np.diff(np.concatenate([[-1], ends, [len(ordered) - 1]])).astype(np.float64)
    return float((groups**3 - groups).sum())


def _p_value(statistic: Floats, ties: Floats, images: int, others: int) -> Floats:
    """One-sided, by the normal approximation with corrections for ties and continuity, as SciPy's."""
    count, product = images + others, images * others
    spread = np.sqrt(product / 12 * (count + 1 - ties / (count * (count - 1))))
    with np.errstate(divide="ignore"):
        distance = (product / 2 - statistic - 0.5) / spread
    return np.clip(stats.norm.sf(distance), 0, 1)  # type: ignore[no-any-return]
