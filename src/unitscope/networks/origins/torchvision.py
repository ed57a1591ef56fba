"""Networks of torchvision: its classification models with their weights, preprocessing and class names.

In: a model's name and the choice of weights. Out: a `Network`.
torchvision is imported when a model is loaded.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from unitscope.errors import NetworkError, closest
from unitscope.networks import hub
from unitscope.networks.cards import LoadOptions
from unitscope.networks.imagenet import imagenet_classes
from unitscope.networks.network import Network
from unitscope.networks.origin import Origin
from unitscope.networks.preprocessing import Preprocessing, Triple
from unitscope.networks.weights import DefaultWeights, RandomWeights, State, WeightsFile, load_into, read_state_dict

Builder = Callable[..., nn.Module]

# Built as with pretrained weights, without the auxiliary heads, which only training uses.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_INCEPTION = {"aux_logits": False, "transform_input": True, "init_weights": False}
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def names() -> list[str]:
    """Return the names of all classification models."""
    from torchvision import models

    return models.list_models(module=models)  # type: ignore[no-any-return]


class Torchvision(Origin):
    """The classification models of torchvision."""

    form = "torchvision:NAME"

    def load(self, name: str, options: LoadOptions) -> Network:
        """Return a classification model of torchvision, always with the preprocessing of its default weights.

        Raises:
            NetworkError: if the name is unknown, or the weights can't be downloaded or don't fit.
        """
        from torchvision import models

        _check(name)
        reference, weights = f"torchvision:{name}", options.weights_choice
        builder, pretrained = models.get_model_builder(name), models.get_model_weights(name).DEFAULT
        if isinstance(weights, RandomWeights):
            outputs = len(pretrained.meta["categories"])
            module = _build(builder, pretrained, outputs)
        else:
            file = weights.path if isinstance(weights, WeightsFile) else hub.from_url(pretrained.url, reference)
            module, outputs = _filled(builder, pretrained, file)
        label = pretrained.name if isinstance(weights, DefaultWeights) else str(weights)
        phi = preprocessing_of(pretrained.transforms())
        classes, wnids = imagenet_classes(outputs)
        return Network(reference, module, phi, classes, wnids, label)

    def names(self) -> Sequence[str]:
        """See `Origin.names`."""
        return names()


def preprocessing_of(transforms: Any) -> Preprocessing:
    """Return the preprocessing of torchvision's preset ``weights.transforms()``."""
    red, green, blue = (255 * value for value in transforms.mean)
    std: Triple = tuple(255 * value for value in transforms.std)
    return Preprocessing(
        _side(transforms.resize_size),
        _side(transforms.crop_size),
        interpolation=transforms.interpolation.value,
        mean=(red, green, blue),
        std=std,
    )


def _check(name: str) -> None:
    known = names()
    if name in known:
        return
    from torchvision import models

    if name in models.list_models():
        raise NetworkError(f"torchvision:{name} is not a classification model; choose one, for example resnet50")
    hint = closest(name, known) or "see torchvision.models.list_models()"
    raise NetworkError(f"torchvision has no model '{name}'; {hint}")


def _filled(builder: Builder, pretrained: Any, file: Path) -> tuple[nn.Module, int]:
    """Return the model with the weights of a file, and its number of classes."""
    module = _build(builder, pretrained, outputs := len(pretrained.meta["categories"]))
    state = {
        _OLD_DENSENET.sub(r"\1\2", key): value
        for key, value in read_state_dict(file, module.state_dict()).items()
        if not key.startswith(_AUXILIARY)
    }
    if (given := _outputs(module, state, outputs)) != outputs:
        module = _build(builder, pretrained, given)
    load_into(module, state, file)
    return module, given


def _build(builder: Builder, pretrained: Any, outputs: int) -> nn.Module:
    options: dict[str, Any] = {"num_classes": outputs}
    if builder.__name__ in ("googlenet", "inception_v3"):
        options |= _INCEPTION
    if builder.__name__.startswith("vit_"):
        options["image_size"] = pretrained.meta["min_size"][0]
    return builder(weights=None, **options)


def _outputs(module: nn.Module, state: State, default: int) -> int:
    """Return the number of classes of a file: the length of its last tensor, which belongs to the classifier."""
    last = state.get(list(module.state_dict())[-1])
    return default if last is None or not last.ndim else len(last)


def _side(sizes: list[int]) -> int | tuple[int, int]:
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])
