"""One image's structure: the top units of each layer (paper, algorithm 1).

In: a network and an image. Out: a `Structure`, plain arrays.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.predictions import probabilities, top_predictions
from unitscope.display.sheets import Column, Enlargement, Prediction, Structure
from unitscope.errors import UnitscopeError
from unitscope.graph import trace_of
from unitscope.graph.hooks import mean_map
from unitscope.graph.spatial_maps import plane, tap
from unitscope.images import decode
from unitscope.networks import Network, eval_mode
from unitscope.units import Layer, Unit


@dataclass(frozen=True, slots=True)
class LayerRange:
    """Which layers a structure shows: activation calls start, start + step, … up to stop, 1-based as in the paper.

    ``None`` for start and stop means the first and the last; for step, as many as make about 13 columns.
    """

    start: int | None = None
    stop: int | None = None
    step: int | None = None

    def of(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        """Return those of the activation calls.

        Raises:
            UnitscopeError: if they would be none.
        """
        count = len(layers)
        start, stop = 1 if self.start is None else self.start, count if self.stop is None else self.stop
        step = max(1, math.ceil((stop - start + 1) / 13)) if self.step is None else self.step
        if not 1 <= start <= stop <= count or step < 1:
            raise UnitscopeError(
                f"no layers from {start} to {stop} by {step}: the network has activation calls 1 to {count}"
            )
        return tuple(layers[start - 1 : stop : step])


def structure(
    network: Network,
    image: str | Path,
    *,
    columns: LayerRange | None = None,
    top: int = 9,
    enlarge: Iterable[str | Unit] = (),
) -> Structure:
    """Return the top units of each layer for one image, shallow to deep (paper, algorithm 1).

    Raises:
        ImageError: if the image can't be read.
        LayerError: if a unit to enlarge does not exist.
        UnitscopeError: if no layer is chosen, or top is less than 1.
    """
    if top < 1:
        raise UnitscopeError(f"top must be at least 1, not {top}")
    prepared = network.preprocessing.prepare(decode(Path(image)))
    with eval_mode(network.module):
        traced = trace_of(network)
        chosen = (columns or LayerRange()).of(traced.layers.activations)
        units = [traced.layers.unit(unit) for unit in enlarge]
        logits, maps = tap(network, traced, [*chosen, *(layer for layer, _ in units)])(prepared[None])
    return Structure(
        network.reference,
        str(image),
        network.preprocessing.picture(prepared),
        predictions_of(network, logits),
        tuple(column_of(layer, map_, top) for layer, map_ in zip(chosen, maps, strict=False)),
        tuple(_enlargement(layer, unit, map_) for (layer, unit), map_ in zip(units, maps[len(chosen) :], strict=True)),
        probabilities_of(logits),
    )


def predictions_of(network: Network, logits: Tensor | None) -> tuple[Prediction, ...]:
    """Return the five most probable classes of logits ``[1, class]``, the most probable first."""
    if logits is None:
        return ()
    classes, probabilities = top_predictions(logits.float().cpu().numpy(), 5)
    return tuple(
        Prediction(int(n), network.classes[n] if n < len(network.classes) else str(n), float(p))
        for n, p in zip(classes[0], probabilities[0], strict=True)
    )


def probabilities_of(logits: Tensor | None) -> NDArray[np.float32] | None:
    """Return the probabilities of all classes, float32 ``[class]``, of logits ``[1, class]``."""
    return None if logits is None else probabilities(logits.float().cpu().numpy())[0]


def column_of(layer: Layer, map_: Tensor, top: int) -> Column:
    """Return the top units of a layer, of its output for one image ``[1, …]``."""
    responses = mean_map(map_, layer.unit_axis)[0].cpu().numpy()
    units = np.argsort(-responses, kind="stable")[:top]
    return Column(layer, units, responses[units], plane(map_[0], layer, units.tolist()))


def _enlargement(layer: Layer, unit: int, map_: Tensor) -> Enlargement:
    response = float(mean_map(map_, layer.unit_axis)[0, unit])
    return Enlargement(layer, unit, response, plane(map_[0], layer, [unit])[0])
