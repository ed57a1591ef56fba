"""Some thousand images that classes are compared with one after another, in order once for all of them.

In: an atlas, a layer, classes. Out: `Inhibition`, as `class_inhibition` has it. The classes of a layer share nearly all
images that they are compared with, so these are sorted once, and each class is only placed among them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from unitscope.analyses.image_groups import class_rows, find_class
from unitscope.analyses.inhibition import Inhibition, ranked_contrast, require_min
from unitscope.atlas import Atlas
from unitscope.units import Layer

MOST = 4096
_SEED = 0

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSample:
    """Images of an atlas at a layer: all that could be read, or `MOST` of them, drawn at random.

    Attributes:
        atlas: they are in.
        layer: the layer.
        rows: theirs in the atlas, int64 ``[image]``.
        ordered: each unit's responses, ascending, float32 ``[unit, image]``.
        ties: each unit's sum of t³ − t over its groups of t equal responses, float64 ``[unit]``.
    """

    atlas: Atlas
    layer: Layer
    rows: Counts
    ordered: NDArray[np.float32]
    ties: NDArray[np.float64]

    @classmethod
    def of(cls, atlas: Atlas, layer: Layer) -> "ReferenceSample":
        """Return the crowd of a layer."""
        rows = atlas.readable
        if len(rows) > MOST:
            rows = np.sort(np.random.default_rng(_SEED).choice(rows, MOST, replace=False))
        ordered = np.sort(atlas.responses(layer, rows).T, axis=1)
        return cls(atlas, layer, rows, ordered, np.array([_ties(unit) for unit in ordered]))

    def inhibition(self, name: str) -> Inhibition:
        """Return what `class_inhibition` does, the class's images being compared with those here that are not its own.

        Raises:
            UnitscopeError: as `class_inhibition`.
        """
        rows = class_rows(self.atlas, name)
        label = self.atlas.manifest.labels[find_class(self.atlas, name)]
        own = np.isin(rows, self.rows)
        others = len(self.rows) - int(own.sum())
        require_min(len(rows), f"images of class '{label.name}'")
        require_min(others, f"images that are not of class '{label.name}'")
        responses = self.atlas.responses(self.layer, rows)
        statistic, ties = self._placed(responses, own)
        table = ranked_contrast(
            responses.mean(0, dtype=np.float64),
            self._mean_without(responses[own]),
            effect_size=2 * statistic / (len(rows) * others) - 1,
            p_value=_p_value(statistic, ties, len(rows), others),
            images=len(rows),
        )
        ids = tuple(self.atlas.images["image"].iloc[rows])
        return Inhibition(self.layer, label.name, "class contrast", ids, others, 0, table, label.network_class)

    def _placed(self, responses: NDArray[np.float32], own: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
        """Mann and Whitney's U of a class, and the ties of both kinds of images together; float64 ``[unit]`` each."""
        units = zip(self.ordered, responses.T, self.ties, strict=True)
        found = np.array([_placed(crowd, unit, own, ties) for crowd, unit, ties in units])
        return found[:, 0], found[:, 1]

    def _mean_without(self, own: NDArray[np.float32]) -> NDArray[np.float64]:
        """The mean of the crowd without a class's own; exactly zero where all others are."""
        sums = self.ordered.sum(1, dtype=np.float64) - own.sum(0, dtype=np.float64)
        silent = np.count_nonzero(self.ordered, axis=1) == np.count_nonzero(own, axis=0)
        return np.where(silent, 0, sums) / (len(self.rows) - len(own))  # type: ignore[no-any-return]


def _placed(
    crowd: NDArray[np.float32], unit: NDArray[np.float32], own: NDArray[np.bool_], ties: float
) -> tuple[float, float]:
    """U of a unit's responses to a class, its own images in the crowd left out; and the ties of them all."""
    ordered = np.sort(unit)
    own_ordered = np.sort(unit[own])
    below = _below(crowd, ordered).sum() - (_below(own_ordered, ordered).sum() if len(own_ordered) else 0)
    added = np.sort(unit[~own])
    # A response that comes to t equal ones adds (t + 1)³ − (t + 1) − (t³ − t) = 3 t (t + 1); those of the class come
    # one after another.
    equal = np.searchsorted(crowd, added, "right") - np.searchsorted(crowd, added, "left")
    equal = equal + np.arange(len(added)) - np.searchsorted(added, added, "left")
    return float(below), ties + 3.0 * float((equal * (equal + 1)).sum())


def _below(ordered: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """How many lie below each value, equal ones counted as halves."""
    ends = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return ends / 2  # type: ignore[no-any-return]


def _ties(ordered: NDArray[np.float32]) -> float:
    ends = np.flatnonzero(np.diff(ordered))
    groups = np.diff(np.concatenate([[-1], ends, [len(ordered) - 1]])).astype(np.float64)
    return float((groups**3 - groups).sum())


def _p_value(
    statistic: NDArray[np.float64], ties: NDArray[np.float64], images: int, others: int
) -> NDArray[np.float64]:
    """One-sided, by the normal approximation with the corrections for ties and continuity, as SciPy's."""
    count, product = images + others, images * others
    spread = np.sqrt(product / 12 * (count + 1 - ties / (count * (count - 1))))
    with np.errstate(divide="ignore"):
        distance = (product / 2 - statistic - 0.5) / spread
    return np.clip(stats.norm.sf(distance), 0, 1)  # type: ignore[no-any-return]
