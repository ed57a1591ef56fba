"""Whether the mean of a map, α, and its maximum name the same units.

In: a network and images. Out: for some layers, how many of an image's 9 units of highest response are the same.
The paper selects units by α.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.chance import expected_overlap
from unitscope.analyses.selection import TopK
from unitscope.paper.networks import ReportNetwork
from unitscope.paper.report_items import Missing, Table, left_out, table_of
from unitscope.paper.verdicts import Measured, mean_of
from unitscope.units import Layer

TOP, MAX_IMAGES = 9, 100
Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Number of units that are among an image's 9 highest by mean and by maximum, over the images of a layer."""

    layer: Layer
    shared: Measured
    chance: float


def agreements_of(case: ReportNetwork) -> tuple[Agreement, ...]:
    """Return the agreement at some layers of a network, shallow to deep; made once for each network."""
    return case.once(_agreements)


def shared_of(layer: Layer, means: Maps, maxima: Maps) -> NDArray[np.int64]:
    """Return for each image how many of its 9 highest units by mean are among those by maximum ``[image]``."""
    count = min(TOP, layer.units)
    by_mean, by_maximum = (TopK(count).mask(layer, values) for values in (means, maxima))
    return (by_mean & by_maximum).sum(1)  # type: ignore[no-any-return]


def agreement_table(found: Sequence[tuple[ReportNetwork, "tuple[Agreement, ...] | Missing"]]) -> Table | Missing:
    """Return the agreement of all networks."""
    title = "Beyond algorithm 2. The mean and the maximum as statistics"
    rows = [
        {
            "network": case.name,
            "layer": one.layer.name,
            "units": one.layer.units,
            "images": one.shared.images,
            "shared": round(one.shared.value, 2),
            "95 % low": round(one.shared.low, 2),
            "95 % high": round(one.shared.high, 2),
            "by chance": round(one.chance, 2),
        }
        for case, each in found
        if not isinstance(each, Missing)
        for one in each
    ]
    note = (
        f"An image's {TOP} units of highest response, by the mean of the map (the paper's α) and by its maximum: how "
        "many are the same, over the images. A mean favours units that are active everywhere, a maximum those active "
        "at one place. unitscope uses the mean, as the paper does."
    )
    return table_of("mean-and-maximum", title, pd.DataFrame(rows), note=note, missing=left_out(found))


def _agreements(case: ReportNetwork) -> tuple[Agreement, ...]:
    layers = [layer for layer in case.depths if len(layer.shape) > 1]
    counts: dict[Layer, list[NDArray[np.int64]]] = {layer: [] for layer in layers}
    images = case.images.limit(MAX_IMAGES)
    for _, outputs in case.session.stream(images, maps=layers, batch_size=case.options.batch_size):
        for layer, maps in zip(layers, outputs.maps if outputs else (), strict=bool(outputs)):
            axes = [axis for axis in range(1, maps.ndim) if axis != layer.unit_axis]
            means, maxima = (each.float().cpu().numpy() for each in (maps.mean(axes), maps.amax(axes)))
            counts[layer].append(shared_of(layer, means, maxima))
    return tuple(
        Agreement(layer, mean_of(np.concatenate(each)), expected_overlap([min(TOP, layer.units)] * 2, layer.units))
        for layer, each in counts.items()
        if each
    )
