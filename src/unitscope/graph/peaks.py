"""The greatest value of each activation map, and its place.

In: a layer's output. Out: values and places of its units. The only function is called by tapped graphs.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def peak(map_: Tensor, unit_axis: int) -> tuple[Tensor, Tensor]:
    """Return the greatest value of each map and its place, float32 and int32 ``[image, unit]``.

    ``map_`` has rows and columns beside images and units; a place is ``row * columns + column``, the first of equals.
    """
    by_unit = map_.movedim(unit_axis, 1)
    values, places = _by_row(by_unit) if torch.compiler.is_compiling() else _pooled(by_unit)
    return values.to(torch.float32), places.to(torch.int32)


def _pooled(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and places by a pooling over whole maps, which takes a fraction of the time of ``argmax``."""
    values, places = F.max_pool2d(maps, maps.shape[2:], return_indices=True)  # type: ignore[arg-type]
    return values.flatten(1), places.flatten(1)


def _by_row(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and places from the greatest value of each row, which Inductor computes along with the means.

    Reading one row again is faster than finding places everywhere.
    """
    width = maps.shape[3]
    rows = maps.amax(3)
    row = rows.argmax(2)
    index = row[:, :, None, None].expand(-1, -1, 1, width)
    column = maps.gather(2, index).squeeze(2).argmax(2)
    return rows.amax(2), row * width + column
