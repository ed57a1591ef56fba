"""Activation maps of single images, as layer outputs and as planes of rows and columns.

In: a network, its trace and prepared images. Out: outputs of layers on the network's device, and maps as NumPy arrays.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.graph.trace import Trace, device_of
from unitscope.networks import Network
from unitscope.units import Layer

Tap = Callable[[Tensor], tuple[Tensor | None, list[Tensor]]]


def tap(network: Network, traced: Trace, layers: Sequence[Layer]) -> Tap:
    """Return a function from prepared images to logits and each layer's output.

    Networks under hooks run one image at a time.
    """
    run = traced.with_maps(layers)
    device = device_of(network.module)

    def tapped(prepared: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        step = 1 if traced.fallback_reason else len(prepared)
        with torch.inference_mode():
            outputs = [run(network.preprocessing.normalize(chunk.to(device))) for chunk in prepared.split(step)]
        logits = None if outputs[0][0] is None else torch.cat([output[0] for output in outputs])
        return logits, [torch.cat([output[1 + n] for output in outputs]) for n in range(len(layers))]

    return tapped


def plane(map_: Tensor, layer: Layer, units: Sequence[int] | None = None) -> NDArray[np.float32]:
    """Return a layer's output for one image as maps ``[unit, row, column]``, of all units or of some.

    A transformer's tokens are arranged as a square, without a leading class token, if their number is a square; this is
    how patches are usually, but not always, ordered. Other tokens form one row. A single number becomes a 1×1 map.
    """
    by_unit = map_.movedim(layer.unit_axis - 1, 0)
    by_unit = (by_unit if units is None else by_unit[list(units)]).float().cpu()
    if by_unit.ndim == 3:
        return by_unit.numpy()  # type: ignore[no-any-return]
    tokens = by_unit.reshape(len(by_unit), math.prod(by_unit.shape[1:]))
    for skipped in (0, 1):
        side = math.isqrt(tokens.shape[1] - skipped)
        if side and side * side == tokens.shape[1] - skipped:
            return tokens[:, skipped:].unflatten(1, (side, side)).numpy()  # type: ignore[no-any-return]
    return tokens[:, None, :].numpy()  # type: ignore[no-any-return]
