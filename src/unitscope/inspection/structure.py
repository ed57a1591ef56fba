"""One image's structure: the top units of each layer (paper, algorithm 1).

In: a network and an image. Out: a `Structure`, plain arrays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unitscope.analyses.contrast import Baseline, top_by
from unitscope.analyses.predictions import probabilities, top_predictions
from unitscope.atlas import Atlas
from unitscope.display.structure import Change, Enlargement, LayerTopUnits, Prediction, Structure
from unitscope.engine.session import Session
from unitscope.errors import UnitscopeError
from unitscope.experiments.corruptions import Noise
from unitscope.graph.hooks import mean_map
from unitscope.graph.spatial_maps import plane
from unitscope.images import decode
from unitscope.networks import CustomPreprocessing, Network, Preprocessing
from unitscope.scanning.atlas_network import check_same
from unitscope.units import Layer, LayerTable, Unit

_COLUMNS = 13


@dataclass(frozen=True, slots=True)
class LayerRange:
    """The layers of a structure: activation calls start, start + step, … up to stop, 1-based as in the paper.

    None for ``start`` and ``stop`` means the first and the last call; None for ``step`` gives up to 13 columns, evenly
    spaced, with the first and the last of them.
    """

    start: int | None = None
    stop: int | None = None
    step: int | None = None

    def of(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return the activation calls in the range.

        Raises:
            UnitscopeError: if there are none.
        """
        count = len(layers)
        start, stop = 1 if self.start is None else self.start, count if self.stop is None else self.stop
        step = 1 if self.step is None else self.step
        if not 1 <= start <= stop <= count or step < 1:
            raise UnitscopeError(
                f"no layers from {start} to {stop} by {step}: the network has activation calls 1 to {count}; "
                "give --start, --stop and --step in that range"
            )
        chosen = tuple(layers[start - 1 : stop : step])
        return evenly_spaced_layers(chosen) if self.step is None else chosen


def structure(
    network: Network | Session,
    image: str | Path | Image.Image,
    *,
    layers: LayerRange | Sequence[Layer] | None = None,
    top: int = 9,
    enlarge: Iterable[str | Unit] = (),
    change: Change | None = None,
    contrast_with: Atlas | Baseline | None = None,
) -> Structure:
    """Return the top units of each layer for one image, shallow to deep (paper, algorithm 1).

    Args:
        network: from `unitscope.load`, or a session of it.
        image: an image file, or a Pillow image.
        layers: layers to show; None for up to 13 activation calls, evenly spaced.
        top: number of units per layer.
        enlarge: units whose maps are drawn large, as ``LAYER:UNIT``.
        change: units to remove, and noise to add to the image.
        contrast_with: an atlas of the same network. Units are then ranked by contrast: α minus the unit's mean, divided
            by its standard deviation, over the atlas's images. Without it they are ranked by response α, which often
            gives the same units for any image.

    Raises:
        ImageError: if the image can't be read.
        LayerError: if a unit to enlarge or to remove does not exist.
        NetworkError: if the atlas was made with another network, other weights or another preprocessing.
        AtlasError: if the atlas lacks one of the layers.
        UnitscopeError: if the range has no layers, ``top`` is less than 1, or noise is requested and the preprocessing
            is a function.
    """
    if top < 1:
        raise UnitscopeError(f"top must be at least 1, not {top}")
    session, change = Session.of(network), change or Change()
    baseline = _baseline(contrast_with, session)
    phi = session.network.preprocessing
    prepared = phi.prepare(image if isinstance(image, Image.Image) else decode(Path(image)))
    shown = noisy(phi, prepared, change)
    chosen = _chosen(session.layers, layers, baseline)
    units = [session.layers.unit(unit) for unit in enlarge]
    tapped = [*chosen, *(layer for layer, _ in units)]
    outputs = session.run(shown[None], maps=tapped, masks=_masks(session.layers, change))
    logits, maps = outputs.logits, outputs.maps
    return Structure(
        session.network.name,
        "" if isinstance(image, Image.Image) else str(image),
        phi.picture(shown.round().to(torch.uint8) if change.sigma else prepared),
        predictions_of(session, logits),
        tuple(column_of(layer, map_, top, baseline) for layer, map_ in zip(chosen, maps, strict=False)),
        tuple(_enlargement(layer, unit, map_) for (layer, unit), map_ in zip(units, maps[len(chosen) :], strict=True)),
        None if logits is None else probabilities(logits, squashing=session.trace.head.squashing)[0],
        "" if baseline is None else baseline.name,
    )


def _baseline(contrast_with: Atlas | Baseline | None, session: Session) -> Baseline | None:
    """Return the baseline of an atlas, checked to be of this network; a given baseline was checked before."""
    if not isinstance(contrast_with, Atlas):
        return contrast_with
    check_same(contrast_with, session)
    return Baseline(contrast_with)


def evenly_spaced_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return up to 13 layers, evenly spaced, including the first and the last."""
    positions = np.linspace(0, len(layers) - 1, min(len(layers), _COLUMNS)).round().astype(int)
    return tuple(layers[position] for position in positions)


def _chosen(
    table: LayerTable, layers: LayerRange | Sequence[Layer] | None, baseline: Baseline | None
) -> Sequence[Layer]:
    if layers is None and baseline is not None:
        return evenly_spaced_layers(table.match(layer.name for layer in baseline.atlas.layers))
    if layers is None or isinstance(layers, LayerRange):
        return (layers or LayerRange()).of(table.activations)
    return layers


def noisy(phi: Preprocessing | CustomPreprocessing, prepared: Tensor, change: Change) -> Tensor:
    """Return a prepared image with the noise of a change.

    Raises:
        UnitscopeError: if noise is requested and the preprocessing is a function.
    """
    if not change.sigma:
        return prepared
    if isinstance(phi, CustomPreprocessing):
        raise UnitscopeError(
            "noise is added on the 0–255 scale, but the scale of a custom preprocessing is unknown; give the "
            "preprocessing by name or as a table"
        )
    return Noise(change.sigma).apply(prepared, 0, change.seed)


def _masks(table: LayerTable, change: Change) -> dict[Layer, Tensor]:
    """Return a mask for each layer with removed units."""
    masks = {}
    for name, units in change.removed.items():
        if units:
            layer = table.find(name)
            masks[layer] = torch.ones(layer.units)
            masks[layer][list(units)] = 0
    return masks


def predictions_of(session: Session, logits: NDArray[np.float32] | None) -> tuple[Prediction, ...]:
    """Return the five most probable classes for logits ``[1, class]``, most probable first."""
    if logits is None:
        return ()
    names = session.network.classes
    best, likely = top_predictions(logits, 5, squashing=session.trace.head.squashing)
    return tuple(
        Prediction(int(n), names[n] if n < len(names) else str(n), float(p))
        for n, p in zip(best[0], likely[0], strict=True)
        if n >= 0
    )


def column_of(layer: Layer, map_: Tensor, top: int, baseline: Baseline | None = None) -> LayerTopUnits:
    """Return the top units of a layer, by response or by contrast, for its output ``[1, …]`` for one image."""
    responses = mean_map(map_, layer.unit_axis)[0].float().cpu().numpy() + np.float32(0)  # no -0
    contrasts = None if baseline is None else baseline.contrasts(layer, responses)
    units = np.argsort(-responses, kind="stable")[:top] if contrasts is None else top_by(contrasts, top)
    return LayerTopUnits(
        layer,
        units,
        responses[units],
        plane(map_[0], layer, units.tolist()),
        None if contrasts is None else contrasts[units],
    )


def _enlargement(layer: Layer, unit: int, map_: Tensor) -> Enlargement:
    response = float(mean_map(map_, layer.unit_axis)[0, unit])
    return Enlargement(layer, unit, response, plane(map_[0], layer, [unit])[0])
