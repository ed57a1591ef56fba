"""Units' maps before and after perturbations, to be looked at (paper, figure 7).

In: a network and what `perturb` found. Out: a `PerturbedSheet`, plain arrays.
"""

import numpy as np
import torch
from torch import Tensor

from unitscope.analyses.perturbation import map_correlations
from unitscope.display.sheets import PerturbedImage, PerturbedMap, PerturbedSheet, PerturbedUnit
from unitscope.engine.loader import read_image
from unitscope.errors import UnitscopeError
from unitscope.experiments.corruptions import name_and_value
from unitscope.experiments.perturbation import PerturbResult, changed_batch
from unitscope.graph import Trace, trace_of
from unitscope.graph.hooks import mean_map
from unitscope.graph.spatial_maps import Tap, plane, tap
from unitscope.images import ImageSource
from unitscope.networks import Network, eval_mode
from unitscope.units import Layer


def perturbed_sheet(network: Network, result: PerturbResult) -> PerturbedSheet:
    """Return the units that a result follows, each on its images of greatest response, clean and changed.

    Of noise it shows the first seed's.

    Raises:
        UnitscopeError: if the result follows no unit.
    """
    places = [(effect.layer, effect.unit) for effect in result.effects[0].units]
    if not places:
        raise UnitscopeError("no unit is followed, so there are no maps to show; give one or more, as LAYER:UNIT")
    with eval_mode(network.module):
        traced = trace_of(network)
        units = [
            _unit(network, traced, result, place, rows) for place, rows in zip(places, result.strongest, strict=True)
        ]
    return PerturbedSheet(network.reference, tuple(map(name_and_value, result.perturbations)), tuple(units))


def _unit(
    network: Network, traced: Trace, result: PerturbResult, place: tuple[Layer, int], rows: tuple[int, ...]
) -> PerturbedUnit:
    kept, prepared = _readable(network, result.image_set, rows)
    if not kept:
        return PerturbedUnit(*place, ())
    layer = traced.layers.find(place[0].name)
    batches = [changed_batch(change, prepared, kept, result.seeds[0]) for change in result.perturbations]
    run = tap(network, traced, [layer])
    clean, *changed = [_maps(network, run, batch, (layer, place[1])) for batch in (prepared, *batches)]
    images = [
        PerturbedImage(
            result.image_set.ids[row],
            _compared(before, before),
            tuple(_compared(before, after[at]) for after in changed),
        )
        for at, (row, before) in enumerate(zip(kept, clean, strict=True))
    ]
    return PerturbedUnit(*place, tuple(images))


def _readable(network: Network, images: ImageSource, rows: tuple[int, ...]) -> tuple[tuple[int, ...], Tensor]:
    """Those of the images that can still be read, and what they are to the network."""
    good = [picture for row in rows if (picture := read_image(images, row, network.preprocessing)).prepared is not None]
    prepared = [picture.prepared for picture in good if picture.prepared is not None]
    return tuple(picture.image for picture in good), torch.stack(prepared) if prepared else torch.empty(0)


_Look = tuple[np.ndarray, np.ndarray, float]  # picture, map, α


def _maps(network: Network, run: Tap, batch: Tensor, place: tuple[Layer, int]) -> list[_Look]:
    layer, unit = place
    _, (outputs,) = run(batch)
    responses = mean_map(outputs, layer.unit_axis)[:, unit].tolist()
    pictures = [network.preprocessing.picture(image) for image in batch.float().round().to(torch.uint8)]
    planes = [plane(map_, layer, [unit])[0] for map_ in outputs]
    return list(zip(pictures, planes, responses, strict=True))


def _compared(before: _Look, after: _Look) -> PerturbedMap:
    (correlation,) = map_correlations(before[1][None], after[1][None])
    return PerturbedMap(*after, float(correlation))
