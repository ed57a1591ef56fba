"""Activation maps of single images, and the pictures that they belong to.

In: a network, image files or prepared images, layers. Out: outputs of layers, and `Seen`: picture and maps as arrays.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.errors import ImageError
from unitscope.graph import Trace, device_of, trace_of
from unitscope.images import decode
from unitscope.networks import Network, eval_mode
from unitscope.units import Layer

Tap = Callable[[Tensor], tuple[Tensor | None, list[Tensor]]]

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One image as the network sees it, uint8 ``[row, column, RGB]``, and some units' maps, ``[unit, row, column]``."""

    picture: NDArray[np.uint8]
    maps: NDArray[np.float32]


def see(network: Network, files: Sequence[Path], layer: Layer, channels: Sequence[int]) -> list[Seen | None]:
    """Return each file's picture and the maps of some of a layer's units; None for a file that can't be read."""
    prepared = {row: image for row, file in enumerate(files) if (image := _prepared(network, file)) is not None}
    seen: dict[int, Seen] = {}
    if prepared:
        with eval_mode(network.module):
            traced = trace_of(network)
            tapped = traced.layers.find(layer.name)
            run = tap(network, traced, [tapped])
            for rows in _batches(list(prepared), _AT_ONCE):
                images = [prepared[row] for row in rows]
                _, (outputs,) = run(torch.stack(images))
                for row, image, output in zip(rows, images, outputs, strict=True):
                    seen[row] = Seen(network.preprocessing.picture(image), plane(output, tapped)[list(channels)])
    return [seen.get(row) for row in range(len(files))]


def tap(network: Network, traced: Trace, layers: Sequence[Layer]) -> Tap:
    """Return what gives prepared images' logits, and each layer's output; hooked networks run one image at a time."""
    run = traced.with_maps(layers)
    device = device_of(network.module)

    def tapped(prepared: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        step = 1 if traced.loss else len(prepared)
        with torch.inference_mode():
            outputs = [run(network.preprocessing.normalize(some.to(device))) for some in prepared.split(step)]
        logits = None if outputs[0][0] is None else torch.cat([output[0] for output in outputs])
        return logits, [torch.cat([output[1 + n] for output in outputs]) for n in range(len(layers))]

    return tapped


def plane(map_: Tensor, layer: Layer) -> NDArray[np.float32]:
    """Return one image's output of a layer as maps ``[unit, row, column]``.

    Tokens of a transformer are laid out as their patches were, a leading class token left out; a single number is
    a map of one by one.
    """
    by_unit = map_.float().movedim(layer.unit_axis - 1, 0).cpu()
    if by_unit.ndim == 3:
        return by_unit.numpy()  # type: ignore[no-any-return]
    tokens = by_unit.reshape(len(by_unit), -1)
    for skipped in (0, 1):
        side = math.isqrt(tokens.shape[1] - skipped)
        if side and side * side == tokens.shape[1] - skipped:
            return tokens[:, skipped:].reshape(-1, side, side).numpy()  # type: ignore[no-any-return]
    return tokens[:, None, :].numpy()  # type: ignore[no-any-return]


def _prepared(network: Network, file: Path) -> Tensor | None:
    try:
        return network.preprocessing.prepare(decode(file))
    except (ImageError, OSError):
        return None


def _batches(rows: list[int], size: int) -> list[list[int]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
