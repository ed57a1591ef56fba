"""Preprocessing φ in two steps: resize and crop each image (on the CPU), normalize each batch (on the device).

In: RGB images. Out: uint8 tensors ``[3, H, W]`` of the network's input size, then float32 batches
``[B, channel, H, W]``.
Independent of networks and files. `PRESETS` has the preprocessings that can be given by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unitscope.errors import ImageError, NetworkError, closest
from unitscope.images.decoding import MAX_ASPECT
from unitscope.networks.custom_preprocessing import CustomPreprocessing, Function

Size = tuple[int, int]
Triple = tuple[float, float, float]

ORDERS = ("RGB", "BGR", "L")
_LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in grey, as in Pillow's mode L (ITU-R 601)
# Pillow's nearest is torch's nearest-exact; torch has no Lanczos filter.
INTERPOLATIONS = {"bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest-exact", "lanczos": None}
KEYS = ("size", "resize", "crop", "interpolation", "mean", "std", "order")


@dataclass(frozen=True)
class Preprocessing:
    """Resize, centre crop and normalize: ``(x - mean) / std``.

    Attributes:
        resize: the new length of the shorter side, or the new (height, width).
        crop: size of the centre crop, a side or (height, width); None for no crop. Small images get black margins.
        interpolation: ``bilinear``, ``bicubic``, ``nearest`` or ``lanczos``, always antialiased.
        mean: means of the red, green and blue values, on the 0–255 scale.
        std: standard deviations of the red, green and blue values, on the 0–255 scale.
        order: ``RGB``, ``BGR`` for networks that expect blue first, or ``L`` for networks of grey images, with
            one channel.

    Raises:
        NetworkError: if a value is invalid.
    """

    resize: int | Size
    crop: int | Size | None = None
    interpolation: str = "bilinear"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    order: str = "RGB"

    def __post_init__(self) -> None:
        for name, known in (("interpolation", tuple(INTERPOLATIONS)), ("order", ORDERS)):
            if getattr(self, name) not in known:
                raise NetworkError(f"{name} '{getattr(self, name)}' is unknown; choose one of {', '.join(known)}")
        if isinstance(self.resize, int) and self.crop is None:
            raise NetworkError(
                f"resize = {self.resize} (the shorter side) needs a crop, so that all images fit a batch"
            )
        if 0 in self.std:
            raise NetworkError(f"std = {list(self.std)} would divide by zero; use 1 to leave values as they are")

    @property
    def size(self) -> Size:
        """Height and width of the network's input."""
        size = self.resize if self.crop is None else self.crop
        return (size, size) if isinstance(size, int) else size

    @property
    def channels(self) -> int:
        """Number of channels of the network's input."""
        return 1 if self.order == "L" else 3

    def prepare(self, image: Image.Image) -> Tensor:
        """Return the resized and cropped image, uint8 ``[3, H, W]`` in RGB order.

        Raises:
            ImageError: if the shorter side is resized and the longer side is over `MAX_ASPECT` times as long.
        """
        rgb = image if image.mode == "RGB" else image.convert("RGB")  # convert would copy an RGB image
        if self.interpolation != "lanczos":
            return self.fit(_tensor(rgb))
        height, width = self._resized_size(rgb.height, rgb.width)
        return self._cropped(_tensor(rgb.resize((width, height), Image.Resampling.LANCZOS)))

    def fit(self, pixels: Tensor) -> Tensor:
        """Return the pixels of an image, uint8 ``[3, H, W]``, resized and cropped on their own device.

        Raises:
            ImageError: as in `prepare`.
            NetworkError: if the interpolation is ``lanczos``, which only `prepare` supports.
        """
        mode = INTERPOLATIONS[self.interpolation]
        if mode is None:
            raise NetworkError(f"interpolation '{self.interpolation}' does not work on tensors; use `prepare`")
        from torchvision.transforms.v2 import InterpolationMode, functional

        size = list(self._resized_size(*pixels.shape[-2:]))
        return self._cropped(functional.resize(pixels, size, interpolation=InterpolationMode(mode), antialias=True))

    def _cropped(self, resized: Tensor) -> Tensor:
        if self.crop is None:
            return resized.contiguous()
        from torchvision.transforms.v2 import functional

        return functional.center_crop(resized, list(self.size)).contiguous()  # type: ignore[no-any-return]

    def normalize(self, batch: Tensor) -> Tensor:
        """Return a prepared batch ``[B, 3, H, W]``, normalized: ``(x - mean) / std``, ``[B, channel, H, W]``."""
        return self.normalizer(batch.device)(batch)

    def normalizer(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return `normalize` for batches on one device, with mean and std already copied to that device."""
        mean = torch.tensor(self.mean, dtype=torch.float32, device=device).view(3, 1, 1)
        std = torch.tensor(self.std, dtype=torch.float32, device=device).view(3, 1, 1)
        luma = torch.tensor(_LUMA, dtype=torch.float32, device=device).view(3, 1, 1)

        def normalize(batch: Tensor) -> Tensor:
            values = (batch.to(torch.float32) - mean) / std
            if self.order == "L":
                return (values * luma).sum(1, keepdim=True)
            return values.flip(1) if self.order == "BGR" else values

        return normalize

    def picture(self, prepared: Tensor) -> NDArray[np.uint8]:
        """Return a prepared image as a picture, uint8 ``[H, W, 3]`` in RGB order."""
        return prepared.permute(1, 2, 0).cpu().numpy()  # type: ignore[no-any-return]

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as a dict that JSON can hold."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Return the preprocessing with these parameters, from `to_dict` or a network card.

        ``size`` stands for ``resize`` and ``crop``: a number resizes the shorter side and crops the centre, a pair
        (height, width) resizes both sides.

        Raises:
            NetworkError: if a key is unknown or missing, or a value is invalid.
        """
        for key in values:
            if key not in KEYS:
                hint = closest(key, KEYS) or f"known keys: {', '.join(KEYS)}"
                raise NetworkError(f"preprocessing has no key '{key}'; {hint}")
        plain = {name: values[name] for name in ("interpolation", "order") if name in values}
        return cls(*_geometry(values), mean=_triple(values, "mean"), std=_triple(values, "std"), **plain)

    def _resized_size(self, height: int, width: int) -> Size:
        """Return height and width after resizing; the longer side is rounded down, as in torchvision's Resize."""
        if isinstance(self.resize, tuple):
            return self.resize
        if max(height, width) > MAX_ASPECT * min(height, width):
            raise ImageError(
                f"an image of {width}×{height} pixels is too narrow: one side is over {MAX_ASPECT} times the other"
            )
        if width <= height:
            return int(self.resize * height / width), self.resize
        return self.resize, int(self.resize * width / height)


IMAGENET_MEAN: Triple = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD: Triple = (0.229 * 255, 0.224 * 255, 0.225 * 255)
CAFFE_MEAN: Triple = (123.68, 116.779, 103.939)
HALF: Triple = (127.5, 127.5, 127.5)

PRESETS = {
    "imagenet": Preprocessing(256, 224, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    "caffe": Preprocessing((224, 224), mean=CAFFE_MEAN, order="BGR"),
    "tf": Preprocessing((224, 224), mean=HALF, std=HALF),
    "inception": Preprocessing(342, 299, mean=HALF, std=HALF),
}

PreprocessingLike = str | Mapping[str, Any] | Preprocessing | CustomPreprocessing | Function


def parse_preprocessing(wanted: PreprocessingLike) -> Preprocessing | CustomPreprocessing:
    """Return the preprocessing given by a preset's name, a table of parameters, a function, or itself.

    Raises:
        NetworkError: if the name is unknown, or the table or the function is invalid.
    """
    if isinstance(wanted, (Preprocessing, CustomPreprocessing)):
        return wanted
    if isinstance(wanted, Mapping):
        return Preprocessing.from_dict(wanted)
    if callable(wanted):
        return CustomPreprocessing.of(wanted)
    if wanted not in PRESETS:
        hint = closest(wanted, PRESETS) or f"choose one of {', '.join(PRESETS)}"
        raise NetworkError(f"no preprocessing '{wanted}'; {hint}")
    return PRESETS[wanted]


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _geometry(values: Mapping[str, Any]) -> tuple[int | Size, int | Size | None]:
    """Return ``resize`` and ``crop``, derived from ``size`` if that is given."""
    if "size" in values and ("resize" in values or "crop" in values):
        raise NetworkError("preprocessing has 'size' and also 'resize' or 'crop'; give either 'size' or the others")
    if "size" in values:
        size = _side("size", values["size"])
        return size, (size if isinstance(size, int) else None)
    if "resize" not in values:
        raise NetworkError("preprocessing has no 'size'; give size = 224, or resize = 256 and crop = 224")
    crop = values.get("crop")
    return _side("resize", values["resize"]), (None if crop is None else _side("crop", crop))


def _side(key: str, value: Any) -> int | Size:
    sides = value if isinstance(value, (list, tuple)) else [value]
    if len(sides) > 2 or not sides or not all(type(side) is int and side > 0 for side in sides):
        raise NetworkError(f"preprocessing's {key} = {value!r} must be a number of pixels or [height, width]")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _triple(values: Mapping[str, Any], key: str) -> Triple:
    """Return three numbers on the 0–255 scale; reject the 0–1 scale of torchvision, a common mistake."""
    given = values.get(key)
    valid = isinstance(given, (list, tuple)) and len(given) == 3 and all(isinstance(x, (int, float)) for x in given)
    if given is None or not valid:
        raise NetworkError(f"preprocessing needs {key} = [red, green, blue] on the 0–255 scale, not {given!r}")
    if all(0 < x < 1 for x in given):
        raise NetworkError(f"preprocessing's {key} = {given!r} looks like the 0–1 scale; multiply by 255")
    return (float(given[0]), float(given[1]), float(given[2]))
