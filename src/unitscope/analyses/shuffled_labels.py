"""The selectivity index that shuffled labels give: the level that an index must exceed to say something about a class.

In: an atlas, a layer, units. Out: one number per unit, and the number of distinct images of a class.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from unitscope.analyses.near_duplicates import labelled_groups
from unitscope.atlas import Atlas
from unitscope.summaries.selectivity import selectivity_index
from unitscope.units import Layer

SHUFFLES, SEED = 19, 0  # an index above all 19 has p = 0.05 in a permutation test
_VALUES_AT_ONCE, _MIN_UNITS = 32_000_000, 256
_ROUNDING = 1e-9  # sums in another order differ by less

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledGroups:
    """The readable images of an atlas in groups of near-duplicates with equal labels.

    Attributes:
        rows: row numbers of the images, int64 ``[image]``.
        members: 1 where an image is in a group, sparse ``[group, image]``.
        classes: 1 where a group has a label, sparse ``[class, group]``, in the order of the atlas's labels.
    """

    rows: NDArray[np.int64]
    members: sparse.csr_array
    classes: sparse.csr_array

    @classmethod
    def of(cls, atlas: Atlas) -> "LabelledGroups":
        """Return the groups of an atlas; each image is one of its own if there are more than 4,096."""
        rows = atlas.readable
        numbers = {label.label: number for number, label in enumerate(atlas.manifest.labels)}
        group = labelled_groups(atlas, rows)
        count = int(group.max(initial=-1)) + 1
        labels = dict(zip(group.tolist(), atlas.images["labels"].iloc[rows], strict=True))
        pairs = [(numbers[label], index) for index, each in labels.items() for label in set(each)]
        return cls(
            rows,
            _ones(group.tolist(), list(range(len(rows))), (count, len(rows))),
            _ones([number for number, _ in pairs], [index for _, index in pairs], (len(numbers), count)),
        )

    @property
    def distinct_images(self) -> NDArray[np.int64]:
        """Number of images of each class without near-duplicates, int64 ``[class]``."""
        return np.diff(self.classes.indptr).astype(np.int64)  # type: ignore[no-any-return]

    def greatest_index(self, responses: NDArray[np.float32], lowest: Floats) -> Floats:
        """Return the greatest index of each unit over the shuffles; responses are float32 ``[image, unit]``."""
        finite = np.isfinite(responses)
        sums = self.members @ np.where(finite, responses, 0).astype(np.float64)
        counts = self.members @ finite.astype(np.float64)
        rng = np.random.default_rng(SEED)
        greatest = np.full(len(lowest), np.nan)
        for _ in range(SHUFFLES):
            shuffled = self.classes[:, rng.permutation(self.classes.shape[1])]
            images = shuffled @ counts
            means = np.divide(shuffled @ sums, images, out=np.full(images.shape, np.nan), where=images > 0)
            greatest = np.fmax(greatest, selectivity_index(means, lowest)[1])
        return greatest + _ROUNDING


def shuffled_selectivity(
    atlas: Atlas, layer: Layer, units: NDArray[np.int64] | None = None, *, groups: LabelledGroups | None = None
) -> Floats:
    """Return the greatest selectivity index in 19 random shuffles of the images' labels, float64 ``[unit]``.

    An index above it is significant at 5% for a single unit, since for labels without meaning it is the greatest of 20
    with a probability of 1/20 (Hope, 1968). Near-duplicates with equal labels keep equal labels, so a class that is one
    photograph counts as one image. Shuffles are the same for all units (always seed 0). NaN if the scan did not store
    responses.

    Args:
        atlas: an atlas with labels.
        layer: one of its layers.
        units: numbers of the units; by default all.
        groups: the groups of its images, if they are already available.
    """
    wanted = np.arange(layer.units) if units is None else units
    if not atlas.has_responses or not len(wanted):
        return np.full(len(wanted), np.nan)
    groups = LabelledGroups.of(atlas) if groups is None else groups
    lowest = atlas.units_of(layer)["min"].to_numpy(np.float64)[wanted]
    found = np.empty(len(wanted))
    for span, some in _spans(wanted, layer.units, len(groups.rows)):
        responses = atlas.responses(layer, groups.rows, span)[:, wanted[some] - span.start]
        found[some] = groups.greatest_index(responses, lowest[some])
    return found


def _spans(wanted: NDArray[np.int64], units: int, images: int) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Yield slices of units whose responses fit into memory, and which of the wanted units each has."""
    step = max(_MIN_UNITS, _VALUES_AT_ONCE // max(images, 1))
    for start in range(0, units, step):
        some = (wanted >= start) & (wanted < start + step)
        if some.any():
            yield slice(start, min(start + step, units)), some


def _ones(rows: list[int], columns: list[int], shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(rows)), (np.array(rows, np.int64), np.array(columns, np.int64))), shape)
