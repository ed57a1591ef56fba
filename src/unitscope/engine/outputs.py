"""What a network gives for some images.

In: arrays and tensors. Out: `Outputs`, of one batch or of several joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What a network gives for some images.

    Attributes:
        logits: float32 ``[image, class]``; None for a network without logits.
        responses: α of the layers asked for, side by side, float32 ``[image, unit]``.
        maps: the outputs of the layers asked for, each ``[image, …]`` as its layer gives it, on the network's device.
        gradients: with respect to the network's input, float32 ``[image, 3, H, W]``; None where not asked for.
    """

    logits: NDArray[np.float32] | None
    responses: NDArray[np.float32]
    maps: tuple[Tensor, ...]
    gradients: Tensor | None = None

    @classmethod
    def joined(cls, parts: "Sequence[Outputs]") -> "Outputs":
        """Return the outputs of several batches as those of one."""
        if len(parts) == 1:
            return parts[0]
        logits = [part.logits for part in parts if part.logits is not None]
        return cls(
            np.concatenate(logits) if logits else None,
            np.concatenate([part.responses for part in parts]),
            tuple(torch.cat(maps) for maps in zip(*(part.maps for part in parts), strict=True)),
        )
