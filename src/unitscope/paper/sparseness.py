"""The sparsity of the networks side by side, and whether their responses are mostly near zero (figures 5 and 6).

In: networks. Out: `Sparseness` of each at its last convolution, and a table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.sampling import sample
from unitscope.analyses.sparsity_indices import gini, hoyer, zero_fraction
from unitscope.paper.networks import ReportNetwork
from unitscope.paper.report_items import Missing, Table, left_out, table_of
from unitscope.paper.verdicts import Measured, mean_of
from unitscope.units import Layer

NEAR = 0.1
"""A response is near zero if it is smaller than this share of the greatest response to the same image."""

Floats = NDArray[np.float64]
_INDICES = {"zero": "exactly zero", "near_zero": "near zero", "gini": "Gini", "hoyer": "Hoyer"}


@dataclass(frozen=True, slots=True, eq=False)
class Sparseness:
    """Sparsity of the responses of a layer's units to each image.

    Attributes:
        layer: the layer.
        images: ids of the images, at most 1,024.
        values: one value per image of zero, near_zero (shares of the units), gini and hoyer, by name.
        dead: number of units that respond to no image of the atlas.
    """

    layer: Layer
    images: tuple[str, ...]
    values: dict[str, Floats]
    dead: int

    def minus(self, other: "Sparseness", index: str) -> Measured:
        """Return the mean difference of an index over the images of both; NaN if there are none."""
        mine, theirs = (dict(zip(one.images, one.values[index], strict=True)) for one in (self, other))
        return mean_of([mine[image] - theirs[image] for image in self.images if image in theirs])


def sparseness_of(case: ReportNetwork) -> Sparseness:
    """Return the sparsity at a network's last convolution; made once for each network."""
    return case.once(_sparseness)


def near_zero(responses: NDArray[np.float32]) -> Floats:
    """Return the share of units with a response near zero for each image of ``[image, unit]``; NaN if all are zero."""
    sizes = np.abs(np.asarray(responses, np.float64))
    greatest = sizes.max(1, keepdims=True)
    return np.where(greatest[:, 0] > 0, (sizes < NEAR * greatest).mean(1), np.nan)


def sparseness_table(found: Sequence[tuple[ReportNetwork, Sparseness | Missing]]) -> Table | Missing:
    """Return the sparsity of all networks, side by side."""
    title = "Beyond figures 5 and 6. Sparsity of the networks side by side"
    rows = [_row(case, one) for case, one in found if isinstance(one, Sparseness)]
    note = (
        "At the last convolution, over the units, each image by itself: means over the images with 95 % intervals. "
        f"Near zero: |α| below {NEAR:.0%} of the image's greatest. Numbers of networks compare only if they saw the "
        "same images."
    )
    return table_of("sparsity", title, pd.DataFrame(rows), note=note, missing=left_out(found))


def _row(case: ReportNetwork, found: Sparseness) -> dict[str, object]:
    row = {"network": case.name, "layer": found.layer.name, "units": found.layer.units, "dead": found.dead}
    row |= {"images": len(found.images)}
    for index, title in _INDICES.items():
        mean = mean_of(found.values[index])
        row[title] = f"{mean.value:.3f} ({mean.low:.3f}–{mean.high:.3f})"
    return row


def _sparseness(case: ReportNetwork) -> Sparseness:
    layer, atlas = case.last, case.atlas
    rows, responses = sample(atlas, layer)
    measures = {"zero": zero_fraction, "gini": gini, "hoyer": hoyer}
    values = {name: np.asarray(measure(responses)) for name, measure in measures.items()}
    ids = tuple(map(str, atlas.images["image"].iloc[rows]))
    dead = int(atlas.units_of(layer)["dead"].sum())
    return Sparseness(layer, ids, values | {"near_zero": near_zero(responses)}, dead)
