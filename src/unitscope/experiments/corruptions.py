"""Perturbations of images: noise, blur, brightness, JPEG.

In: an image from `Preprocessing.prepare`, uint8 ``[3, H, W]``, its row and a seed. Out: the perturbed image, uint8
or float32 on the same 0–255 scale, for `Preprocessing.normalize`. Independent of networks, files and batches.
"""

import io
import math
from dataclasses import astuple, dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from unitscope.errors import UnitscopeError


@dataclass(frozen=True, slots=True)
class Noise:
    """Gaussian noise with mean 0, drawn for each value (paper, figure 7: ``sigma`` = 0.1).

    Each pair of seed and image has its own generator, so an image's noise does not depend on its batch. Another sigma
    scales the same noise.

    Attributes:
        sigma: the standard deviation, on a scale where white is 1.

    Raises:
        UnitscopeError: if ``sigma`` is not between 0 and 1.
    """

    sigma: float

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= 1:
            hint = f"; {self.sigma:g} of 255 is {self.sigma / 255:.3g}" if 1 < self.sigma <= 255 else ""
            raise UnitscopeError(
                f"sigma must be between 0 and 1, on a scale where white is 1, not {self.sigma:g}{hint}"
            )

    def apply(self, prepared: Tensor, image: int, seed: int) -> Tensor:
        """Return the noisy image, float32 ``[3, H, W]``, clipped to 0–255."""
        draws = np.random.default_rng((seed, image)).standard_normal(tuple(prepared.shape), np.float32)
        return (prepared + 255 * self.sigma * torch.from_numpy(draws)).clamp(0, 255)


@dataclass(frozen=True, slots=True)
class Blur:
    """Pillow's Gaussian blur.

    Attributes:
        radius: the standard deviation in pixels of the network's input.

    Raises:
        UnitscopeError: if the radius is negative or not finite.
    """

    radius: float

    def __post_init__(self) -> None:
        if not 0 <= self.radius < math.inf:
            raise UnitscopeError(f"the radius of a blur must be 0 or more pixels, not {self.radius:g}")

    def apply(self, prepared: Tensor, image: int, seed: int) -> Tensor:
        """Return the blurred image, uint8 ``[3, H, W]``."""
        return _tensor(_picture(prepared).filter(ImageFilter.GaussianBlur(self.radius)))


@dataclass(frozen=True, slots=True)
class Brightness:
    """Multiply all values by a factor.

    Attributes:
        factor: 1 keeps the image unchanged, 0 makes it black.

    Raises:
        UnitscopeError: if the factor is negative or not finite.
    """

    factor: float

    def __post_init__(self) -> None:
        if not 0 <= self.factor < math.inf:
            raise UnitscopeError(
                f"the brightness factor must be 0 or more (1 keeps the image unchanged), not {self.factor:g}"
            )

    def apply(self, prepared: Tensor, image: int, seed: int) -> Tensor:
        """Return the brighter or darker image, float32 ``[3, H, W]``, clipped to 0–255."""
        return (prepared * float(self.factor)).clamp(0, 255)


@dataclass(frozen=True, slots=True)
class Jpeg:
    """JPEG compression by Pillow.

    Attributes:
        quality: 1 (worst) to 100.

    Raises:
        UnitscopeError: if the quality is not a whole number from 1 to 100.
    """

    quality: int

    def __post_init__(self) -> None:
        if self.quality not in range(1, 101):
            raise UnitscopeError(f"JPEG quality must be a whole number from 1 (worst) to 100, not {self.quality:g}")

    def apply(self, prepared: Tensor, image: int, seed: int) -> Tensor:
        """Return the image after compression, uint8 ``[3, H, W]``."""
        file = io.BytesIO()
        _picture(prepared).save(file, "JPEG", quality=int(self.quality))
        with Image.open(file) as read:
            return _tensor(read.convert("RGB"))


Perturbation = Noise | Blur | Brightness | Jpeg


def name_and_value(perturbation: Perturbation) -> tuple[str, float]:
    """Return a perturbation's name, such as ``noise``, and its value."""
    (value,) = astuple(perturbation)
    return type(perturbation).__name__.lower(), value


def _picture(prepared: Tensor) -> Image.Image:
    return Image.fromarray(prepared.permute(1, 2, 0).contiguous().numpy())


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
