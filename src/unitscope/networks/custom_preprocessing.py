"""Custom preprocessing φ: any function from an image to a tensor.

In: the user's function. Out: a φ with the same methods as `Preprocessing`. Its size and its channels are found by
calling the function; its output for one picture stands for the function where two are compared.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unitscope.errors import NetworkError
from unitscope.notebook import short_repr

Function = Callable[[Image.Image], Tensor]


@dataclass(frozen=True)
class CustomPreprocessing:
    """The user's preprocessing: a function from an RGB image to a float tensor ``[channel, H, W]``.

    Attributes:
        function: the function.
        size: height and width of its output.
        channels: number of channels of its output.
        probe: SHA-256 of its output for one picture; empty if it is not known.
    """

    function: Function
    size: tuple[int, int]
    channels: int = 3
    probe: str = ""

    __repr__ = short_repr

    @classmethod
    def of(cls, function: Function) -> "CustomPreprocessing":
        """Return the preprocessing of a function, which is called on one picture to find the size.

        Raises:
            NetworkError: if the function fails, does not return a float tensor ``[channel, H, W]``, or returns another
                one each time.
        """
        try:
            output, again = function(_picture()), function(_picture())
        except Exception as error:
            raise NetworkError(f"the preprocessing {_name(function)} failed on a picture: {error}") from error
        if not (isinstance(output, Tensor) and output.ndim == 3 and output.is_floating_point()):
            given = f"{output.dtype} {list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise NetworkError(
                f"the preprocessing {_name(function)} must return a float tensor [channel, H, W], not {given}"
            )
        if not torch.equal(output, again):
            raise NetworkError(
                f"the preprocessing {_name(function)} returns another tensor each time it is given the same image; "
                "leave out random crops, flips and other augmentations"
            )
        channels, *size = output.shape
        return cls(function, (size[0], size[1]), channels, _digest(output))

    def prepare(self, image: Image.Image) -> Tensor:
        """Return the function's output for an image, float32 ``[channel, H, W]``.

        Raises:
            NetworkError: if the output's size differs from the first one.
        """
        prepared = self.function(image.convert("RGB"))
        if tuple(prepared.shape) != (self.channels, *self.size):
            given, wanted = list(prepared.shape), [self.channels, *self.size]
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
        """Return a prepared image as a picture, stretched to 0–255, uint8 ``[H, W, 3]``.

        It shows the first three channels, or the first alone in grey if there are fewer.
        """
        prepared = prepared[:3] if self.channels >= 3 else prepared[:1].expand(3, -1, -1)
        low, high = prepared.min(), prepared.max()
        stretched = (prepared - low) / (high - low).clamp(min=1e-12) * 255
        return stretched.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        """Return the function's name, its size and its probe, as a dict that JSON can hold."""
        return {"function": _name(self.function), "size": list(self.size), "probe": self.probe}


def _picture() -> Image.Image:
    """Return a picture with all colours and many frequencies, the same on every machine."""
    rows, columns = np.indices((480, 640), np.int64)
    return Image.fromarray(np.stack([rows * columns // 97, rows * 5, columns * 3], -1).astype(np.uint8))


def _digest(output: Tensor) -> str:
    return hashlib.sha256(output.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()).hexdigest()


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
