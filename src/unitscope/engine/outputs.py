"""`Outputs`: a network's outputs for some images.

In: arrays and tensors of batches. Out: `Outputs` of one batch, or of several, concatenated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.notebook import short_repr


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """A network's outputs for some images.

    Attributes:
        logits: float32 ``[image, class]``; None if the network returns no logits.
        responses: α of the requested layers, concatenated, float32 ``[image, unit]``.
        maps: outputs of the requested layers, each ``[image, …]`` in its layer's own shape, on the network's device.
            Autograd does not take them, as they are inference tensors.
        gradients: gradients with respect to the network's input, float32 ``[image, channel, H, W]``; None if not
            requested.
    """

    logits: NDArray[np.float32] | None
    responses: NDArray[np.float32]
    maps: tuple[Tensor, ...]
    gradients: Tensor | None = None

    __repr__ = short_repr

    @classmethod
    def joined(cls, parts: "Sequence[Outputs]") -> "Outputs":
        """Return the outputs of several batches, concatenated."""
        if len(parts) == 1:
            return parts[0]
        logits = [part.logits for part in parts if part.logits is not None]
        return cls(
            np.concatenate(logits) if logits else None,
            np.concatenate([part.responses for part in parts]),
            tuple(torch.cat(maps) for maps in zip(*(part.maps for part in parts), strict=True)),
        )
