"""Preprocessing φ that the user wrote: any function from an image to a tensor.

In: that function. Out: a φ with the same methods as `Preprocessing`, its size found by trying.
Knows nothing of what the function does; presets and tables are no matter of this room.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unitscope.errors import NetworkError

Function = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class CustomPreprocessing:
    """The user's own φ: a function from an RGB image to a float tensor ``[3, H, W]`` for the network."""

    function: Function
    size: tuple[int, int]

    @classmethod
    def of(cls, function: Function) -> "CustomPreprocessing":
        """Return the φ, its size found by trying the function on a grey image.

        Raises:
            NetworkError: if the function fails or gives no float tensor ``[3, H, W]``.
        """
        try:
            tried = function(Image.new("RGB", (640, 480), "grey"))
        except Exception as error:
            raise NetworkError(f"the preprocessing {_name(function)} failed on a grey image: {error}") from error
        if not (isinstance(tried, Tensor) and tried.ndim == 3 and len(tried) == 3 and tried.is_floating_point()):
            given = f"{tried.dtype} {list(tried.shape)}" if isinstance(tried, Tensor) else type(tried).__name__
            raise NetworkError(f"the preprocessing {_name(function)} must give a float tensor [3, H, W], not {given}")
        return cls(function, (tried.shape[1], tried.shape[2]))

    def prepare(self, image: Image.Image) -> Tensor:
        """Return what the function makes of the image, float32 ``[3, H, W]``.

        Raises:
            NetworkError: if it gives another size than before.
        """
        prepared = self.function(image.convert("RGB"))
        if tuple(prepared.shape) != (3, *self.size):
            given, wanted = list(prepared.shape), [3, *self.size]
            raise NetworkError(
                f"the preprocessing {_name(self.function)} gave {given} for an image of "
                f"{image.width}×{image.height}, and {wanted} before; let it bring all images to one size"
            )
        return prepared.to(torch.float32)

    def normalize(self, batch: Tensor) -> Tensor:
        """Return the batch as it is: the function has done all."""
        return batch

    def normalizer(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return `normalize`."""
        return self.normalize

    def picture(self, prepared: Tensor) -> NDArray[np.uint8]:
        """Return what the network sees, stretched to 0–255, uint8 ``[H, W, 3]``."""
        low, high = prepared.min(), prepared.max()
        stretched = (prepared - low) / (high - low).clamp(min=1e-12) * 255
        return stretched.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; the function itself is only named."""
        return {"function": _name(self.function), "size": list(self.size)}


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
