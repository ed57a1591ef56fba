"""Custom preprocessing φ: any function from an image to a tensor.

In: the user's function. Out: a φ with the same methods as `Preprocessing`. Its size is found by calling the function
once; nothing else is known about it.
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
    """The user's preprocessing: a function from an RGB image to a float tensor ``[3, H, W]``."""

    function: Function
    size: tuple[int, int]

    @classmethod
    def of(cls, function: Function) -> "CustomPreprocessing":
        """Return the preprocessing of a function, which is called once on a grey image to find the size.

        Raises:
            NetworkError: if the function fails or does not return a float tensor ``[3, H, W]``.
        """
        try:
            output = function(Image.new("RGB", (640, 480), "grey"))
        except Exception as error:
            raise NetworkError(f"the preprocessing {_name(function)} failed on a grey image: {error}") from error
        if not (isinstance(output, Tensor) and output.ndim == 3 and len(output) == 3 and output.is_floating_point()):
            given = f"{output.dtype} {list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise NetworkError(f"the preprocessing {_name(function)} must return a float tensor [3, H, W], not {given}")
        return cls(function, (output.shape[1], output.shape[2]))

    def prepare(self, image: Image.Image) -> Tensor:
        """Return the function's output for an image, float32 ``[3, H, W]``.

        Raises:
            NetworkError: if the output's size differs from the first one.
        """
        prepared = self.function(image.convert("RGB"))
        if tuple(prepared.shape) != (3, *self.size):
            given, wanted = list(prepared.shape), [3, *self.size]
            raise NetworkError(
                f"the preprocessing {_name(self.function)} returned {given} for an image of "
                f"{image.width}×{image.height} pixels, but {wanted} before; it must return one size for all images"
            )
        return prepared.to(torch.float32)

    def normalize(self, batch: Tensor) -> Tensor:
        """Return the batch unchanged, since the function has already normalized it."""
        return batch

    def normalizer(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return `normalize`."""
        return self.normalize

    def picture(self, prepared: Tensor) -> NDArray[np.uint8]:
        """Return a prepared image as a picture, stretched to 0–255, uint8 ``[H, W, 3]``."""
        low, high = prepared.min(), prepared.max()
        stretched = (prepared - low) / (high - low).clamp(min=1e-12) * 255
        return stretched.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        """Return the function's name and the size, as a dict that JSON can hold."""
        return {"function": _name(self.function), "size": list(self.size)}


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
