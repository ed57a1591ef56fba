"""Maps of units before and after perturbations (paper, figure 7).

In: a network and a `PerturbResult`. Out: a `PerturbedSheet`, plain arrays.
"""

import numpy as np
import torch
from torch import Tensor

from unitscope.analyses.perturb_result import PerturbResult
from unitscope.analyses.perturbation import map_correlations
from unitscope.display.perturbed_sheet import PerturbedImage, PerturbedMap, PerturbedSheet, PerturbedUnit
from unitscope.engine.session import Session
from unitscope.errors import UnitscopeError
from unitscope.experiments.corruptions import name_and_value
from unitscope.experiments.perturbation import changed_batch
from unitscope.graph.spatial_maps import plane
from unitscope.images import ImageSource
from unitscope.networks import Network
from unitscope.units import Layer


def perturbed_sheet(network: Network | Session, result: PerturbResult) -> PerturbedSheet:
    """Return the tracked units of a result, each with its exemplars, clean and perturbed; noise with the first seed.

    Raises:
        UnitscopeError: if the result has no tracked units, or was read from a file.
        ImageAccessError: if an image can't be read.
    """
    if result.image_set is None:
        raise UnitscopeError("a stored result has no images, so maps can't be drawn; run the perturbations again")
    tracked = [(effect.layer, effect.unit) for effect in result.effects[0].units]
    if not tracked:
        raise UnitscopeError("the result has no units whose maps can be drawn; give one or more, as LAYER:UNIT")
    session = Session.of(network)
    units = [_unit(session, result, unit, rows) for unit, rows in zip(tracked, result.strongest, strict=True)]
    return PerturbedSheet(session.network.name, tuple(map(name_and_value, result.perturbations)), tuple(units))


def _unit(session: Session, result: PerturbResult, followed: tuple[Layer, int], rows: tuple[int, ...]) -> PerturbedUnit:
    readable, prepared = _readable(session, result.image_set, rows)
    if not readable:
        return PerturbedUnit(*followed, ())
    unit = (session.layers.find(followed[0].name), followed[1])
    batches = [changed_batch(change, prepared, readable, result.seeds[0]) for change in result.perturbations]
    clean, *changed = [_maps(session, batch, unit) for batch in (prepared, *batches)]
    images = [
        PerturbedImage(
            result.image_set.ids[row],
            _compared(before, before),
            tuple(_compared(before, after[position]) for after in changed),
        )
        for position, (row, before) in enumerate(zip(readable, clean, strict=True))
    ]
    return PerturbedUnit(*followed, tuple(images))


def _readable(session: Session, images: ImageSource, rows: tuple[int, ...]) -> tuple[tuple[int, ...], Tensor]:
    """Return the row numbers of the images that can be decoded, and the prepared images."""
    batches = [batch for batch in session.batches(images.take(rows)) if batch.good] if rows else []
    good = tuple(rows[picture.image] for batch in batches for picture in batch.good)
    return good, torch.cat([batch.tensor() for batch in batches]) if batches else torch.empty(0)


_Look = tuple[np.ndarray, np.ndarray, float]  # picture, map, α


def _maps(session: Session, batch: Tensor, unit: tuple[Layer, int]) -> list[_Look]:
    layer, channel = unit
    outputs = session.run(batch, responses=[layer], maps=[layer])
    phi = session.network.preprocessing
    pictures = [phi.picture(image) for image in batch.float().round().to(torch.uint8)]
    planes = [plane(map_, layer, [channel])[0] for map_ in outputs.maps[0]]
    return list(zip(pictures, planes, outputs.responses[:, channel].tolist(), strict=True))


def _compared(before: _Look, after: _Look) -> PerturbedMap:
    (correlation,) = map_correlations(before[1][None], after[1][None])
    return PerturbedMap(*after, float(correlation))
