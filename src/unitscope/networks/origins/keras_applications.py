"""Networks of keras.applications that the paper used: torchvision's architectures with Keras's weights.

In: a name (`vgg16`, `vgg19`, `resnet50`) and the choice of weights. Out: a `Network`. Keras is not needed.
`keras_files` reads the weight files.

Keras's ResNet-50 differs from torchvision's: the stride of a stage is in the first convolution of its first block,
batch norm has a different epsilon, and convolutions have biases. Keras's models end in softmax; here the outputs are
logits.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unitscope.errors import NetworkError, closest
from unitscope.networks import hub
from unitscope.networks.cards import LoadOptions
from unitscope.networks.imagenet import imagenet_classes
from unitscope.networks.network import Network
from unitscope.networks.origin import Origin
from unitscope.networks.origins.keras_files import Layers, opened
from unitscope.networks.preprocessing import PRESETS
from unitscope.networks.weights import DefaultWeights, RandomWeights, State, WeightsFile, mismatch

if TYPE_CHECKING:
    import h5py

CONVOLUTION, DENSE, NORM = "conv2d", "dense", "batch_normalization"  # names of Keras's layer classes in its files

_STORAGE = "https://storage.googleapis.com/tensorflow/keras-applications"
_EPSILON = 1.001e-5
_FLAT = (7, 7, 512)  # shape of VGG's last map, which Keras flattens channels last


@dataclass(frozen=True, slots=True)
class KerasLayer:
    """A Keras layer with weights, and the path of the corresponding torchvision module."""

    name: str
    kind: str
    module_path: str


@dataclass(frozen=True, slots=True)
class Model:
    """A network of keras.applications: the URL of its weights, and its layers in Keras's order."""

    url: str
    md5: str
    layers: tuple[KerasLayer, ...]

    def names(self, kind: str) -> list[str]:
        """Return the names of the layers of one class."""
        return [layer.name for layer in self.layers if layer.kind == kind]


def _vgg(*convolutions: int) -> Iterator[KerasLayer]:
    """Yield VGG's layers, given the number of convolutions in each block."""
    index = 0
    for block, count in enumerate(convolutions, 1):
        for number in range(1, count + 1):
            yield KerasLayer(f"block{block}_conv{number}", CONVOLUTION, f"features.{index}")
            index += 2
        index += 1
    for name, index in (("fc1", 0), ("fc2", 3), ("predictions", 6)):
        yield KerasLayer(name, DENSE, f"classifier.{index}")


def _resnet(*blocks: int) -> Iterator[KerasLayer]:
    """Yield ResNet's layers, given the number of blocks per stage; a shortcut comes before its block's last layer."""
    yield KerasLayer("conv1_conv", CONVOLUTION, "conv1")
    yield KerasLayer("conv1_bn", NORM, "bn1")
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            name, path = f"conv{stage + 1}_block{block + 1}", f"layer{stage}.{block}"
            for number in (1, 2, 3) if block else (1, 2, 0, 3):
                conv, norm = (f"conv{number}", f"bn{number}") if number else ("downsample.0", "downsample.1")
                yield KerasLayer(f"{name}_{number}_conv", CONVOLUTION, f"{path}.{conv}")
                yield KerasLayer(f"{name}_{number}_bn", NORM, f"{path}.{norm}")
    yield KerasLayer("predictions", DENSE, "fc")


def _model(folder: str, name: str, md5: str, layers: Iterator[KerasLayer]) -> Model:
    return Model(f"{_STORAGE}/{folder}/{name}_weights_tf_dim_ordering_tf_kernels.h5", md5, tuple(layers))


# The checksums are those in keras.applications.
MODELS = {
    "vgg16": _model("vgg16", "vgg16", "64373286793e3c8b2b4e3219cbf3544b", _vgg(2, 2, 3, 3, 3)),
    "vgg19": _model("vgg19", "vgg19", "cbe5617147190e668d6c5d5026f83318", _vgg(2, 2, 4, 4, 4)),
    "resnet50": _model("resnet", "resnet50", "2cb95161c43110f7111970584f804107", _resnet(3, 4, 6, 3)),
}


class Keras(Origin):
    """The networks of keras.applications that the paper used."""

    form = "keras:NAME"
    weight_suffixes = (".h5", ".hdf5", ".keras")

    def load(self, name: str, options: LoadOptions) -> Network:
        """Return a network of keras.applications with Keras's weights and the paper's preprocessing, ``caffe``.

        Raises:
            NetworkError: if the name is unknown, or the weights can't be downloaded or don't fit.
        """
        if name not in MODELS:
            hint = closest(name, MODELS) or f"known: {', '.join(MODELS)}"
            raise NetworkError(f"no Keras network '{name}'; {hint}")
        reference, weights = f"keras:{name}", options.weights_choice
        if isinstance(weights, RandomWeights):
            module, outputs, label = _built(name, 1000), 1000, str(weights)
        else:
            file = weights.path if isinstance(weights, WeightsFile) else _cached(name, reference)
            module, outputs = _filled(name, file)
            label = file.name if isinstance(weights, DefaultWeights) else str(weights)
        return Network(reference, module, PRESETS["caffe"], *imagenet_classes(outputs), label)

    def names(self) -> Sequence[str]:
        """See `Origin.names`."""
        return tuple(MODELS)


def _cached(name: str, reference: str) -> Path:
    """Return the file in Keras's cache folder, downloaded if it is missing."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    model = MODELS[name]
    return hub.from_url(model.url, reference, folder=Path(home).expanduser() / "models", md5=model.md5)


def _built(name: str, outputs: int) -> nn.Module:
    """Return torchvision's architecture, modified to match Keras's."""
    from torchvision import models

    module: nn.Module = models.get_model(name, weights=None, num_classes=outputs)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eps = _EPSILON
    for stage in (2, 3, 4) if name == "resnet50" else ():
        first: Any = module.get_submodule(f"layer{stage}.0")
        first.conv1.stride, first.conv2.stride = first.conv2.stride, first.conv1.stride
    return module


def _filled(name: str, file: Path) -> tuple[nn.Module, int]:
    """Return the network with the weights of a file, without random initialization, and its number of classes."""
    model = MODELS[name]
    with opened(file, {kind: model.names(kind) for kind in (CONVOLUTION, DENSE, NORM)}) as layers:
        outputs = _outputs(layers)
        with torch.device("meta"):
            module = _built(name, outputs)
        _check(name, module, layers, file)
        module.load_state_dict(_state(model, layers), assign=True)
    return module, outputs


def _outputs(layers: Layers) -> int:
    """Return the number of classes of a file: the length of its last bias."""
    last = layers.get("predictions", [])
    return last[-1].shape[0] if last and last[-1].ndim == 1 else 1000


def _check(name: str, module: nn.Module, layers: Layers, file: Path) -> None:
    """Raise NetworkError unless the file has exactly the network's layers, with their shapes."""
    model = MODELS[name]
    expected = {layer.name: _shapes(layer, module.get_submodule(layer.module_path)) for layer in model.layers}
    given = {layer: [list(array.shape) for array in arrays] for layer, arrays in layers.items()}
    top = model.names(DENSE)
    if expected.keys() - given.keys() == set(top):
        raise NetworkError(
            f"'{file}' has no top ({', '.join(top)}), so it can't classify; "
            "get the file without '_notop' in its name, or save the model with include_top=True"
        )
    if differences := mismatch(expected, given):
        others = [other for other, known in MODELS.items() if given.keys() == {layer.name for layer in known.layers}]
        hint = f"; its layers are those of keras:{others[0]}" if others and others[0] != name else ""
        raise NetworkError(f"'{file}' doesn't fit keras:{name}: {differences}{hint}")


def _shapes(layer: KerasLayer, module: nn.Module) -> list[list[int]]:
    """Return the shapes of a layer's arrays in Keras's file."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    if layer.kind == CONVOLUTION:
        outputs, inputs, height, width = weight.shape
        return [[height, width, inputs, outputs], [outputs]]
    if layer.kind == DENSE:
        return [[*reversed(weight.shape)], [len(weight)]]
    return [[len(weight)]] * 4


def _state(model: Model, layers: Layers) -> State:
    """Return the arrays of a file with torchvision's names and torch's order of axes."""
    return {
        f"{layer.module_path}.{name}": value
        for layer in model.layers
        for name, value in _tensors(layer, layers).items()
    }


def _tensors(layer: KerasLayer, layers: Layers) -> State:
    arrays = [_tensor(array) for array in layers[layer.name]]
    if layer.kind == NORM:
        scale, shift, mean, variance = arrays
        # torchvision's convolutions before a norm have no bias; subtracting it from the norm's mean is equivalent.
        bias = _tensor(layers[layer.name.removesuffix("bn") + "conv"][1])
        norm = {"weight": scale, "bias": shift, "running_mean": mean - bias, "running_var": variance}
        return norm | {"num_batches_tracked": torch.tensor(0)}
    kernel, bias = arrays
    weight = {"weight": _turned(layer, kernel).contiguous()}
    return weight if layer.name.endswith("_conv") else weight | {"bias": bias}


def _turned(layer: KerasLayer, kernel: Tensor) -> Tensor:
    """Return a kernel, ``[height, width, in, out]`` or ``[in, out]``, with torch's order of axes."""
    if layer.kind == CONVOLUTION:
        return kernel.permute(3, 2, 0, 1)
    if layer.name == "fc1":
        return kernel.view(*_FLAT, -1).permute(3, 2, 0, 1).flatten(1)
    return kernel.T


def _tensor(array: "h5py.Dataset") -> Tensor:
    return torch.from_numpy(array.astype("float32")[()])
