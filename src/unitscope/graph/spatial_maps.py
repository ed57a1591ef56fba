"""Activation maps of single images as planes of rows and columns.

In: a layer's output for one image. Out: maps as arrays.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unitscope.units import Layer


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
