"""Networks of timm (pytorch-image-models): any of its names, with or without a tag for the weights.

In: a model's name and the choice of weights. Out: a `Network`.
timm is an optional package and imported when a model is loaded.
"""

import textwrap
from collections.abc import Mapping, Sequence
from math import floor
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
from unitscope.networks.weights import DefaultWeights, RandomWeights, State, read_state_dict, without_prefix


class Timm(Origin):
    """The models of timm."""

    form = "timm:NAME"

    def load(self, name: str, options: LoadOptions) -> Network:
        """Return a model of timm, always with the preprocessing of its pretrained weights.

        Raises:
            NetworkError: if timm is missing, the name is unknown, or the weights can't be downloaded or don't fit.
        """
        timm, weights = _timm(), options.weights_choice
        _check(name, timm)
        if isinstance(weights, RandomWeights):
            module, label = timm.create_model(name), str(weights)
        else:
            config = timm.get_pretrained_cfg(name).to_dict()
            file = _pretrained(name, config) if isinstance(weights, DefaultWeights) else weights.path
            module = _filled(name, config, file)
            label = config.get("tag") or file.name if isinstance(weights, DefaultWeights) else str(weights)
        preprocessing = preprocessing_of(timm.data.resolve_model_data_config(module))
        classes, wnids = imagenet_classes(module.num_classes)
        return Network(f"timm:{name}", module, preprocessing, classes, wnids, label)

    def names(self) -> Sequence[str]:
        """Return the names of all models of timm; none if timm is not installed."""
        try:
            return _timm().list_models()  # type: ignore[no-any-return]
        except NetworkError:
            return []


def preprocessing_of(config: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing of timm's data config.

    With sizes that are not square, or crop modes other than ``center``, images are resized to (height, width) directly.
    """
    _, height, width = config["input_size"]
    scaled = floor(height / config["crop_pct"]), floor(width / config["crop_pct"])
    shorter = height == width and config["crop_mode"] == "center"
    return Preprocessing(
        scaled[0] if shorter else scaled,
        (height, width),
        interpolation=config["interpolation"],
        mean=_triple(config["mean"]),
        std=_triple(config["std"]),
    )


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise NetworkError("timm: networks need the package timm; run `pip install 'unitscope[timm]'`") from error
    return timm


def _check(name: str, timm: Any) -> None:
    known = timm.list_models()
    if name in known or name in (tagged := timm.list_pretrained()):
        return
    hint = closest(name, [*known, *tagged]) or "see timm.list_models()"
    raise NetworkError(f"timm has no model '{name}'; {hint}")


def _pretrained(name: str, config: Mapping[str, Any]) -> Path:
    reference = f"timm:{name}"
    if repository := config.get("hf_hub_id"):
        return hub.from_huggingface(repository, config.get("hf_hub_filename"), reference)
    if url := config.get("url"):
        return hub.from_url(url, reference)
    raise NetworkError(f"{reference} has no pretrained weights; give --weights FILE, or --weights none for random ones")


def _filled(name: str, config: Mapping[str, Any], file: Path) -> nn.Module:
    """Return the model with a file's weights, through timm's own loader, which knows the names in older files."""
    state = read_state_dict(file)
    if isinstance(config.get("classifier"), str):
        state = without_prefix(state, [f"{config['classifier']}.weight"])
    outputs = _outputs(state, config)
    overlay = {"state_dict": state, "num_classes": outputs}
    try:
        module: Any = _timm().create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=outputs)
    except (RuntimeError, KeyError) as error:
        reason = textwrap.shorten(str(error), 300, placeholder=" …")
        raise NetworkError(f"'{file}' doesn't fit timm:{name}: {reason}") from error
    module.pretrained_cfg = {key: value for key, value in module.pretrained_cfg.items() if key != "state_dict"}
    return module  # type: ignore[no-any-return]


def _outputs(state: State, config: Mapping[str, Any]) -> int:
    """Return the number of classes of a file's classifier; timm itself handles background classes."""
    classifier = config.get("classifier")
    weight = state.get(f"{classifier}.weight") if isinstance(classifier, str) else None
    return int(config["num_classes"]) if weight is None or config.get("label_offset") else len(weight)


def _triple(values: tuple[float, ...]) -> Triple:
    red, green, blue = (255 * value for value in values)
    return red, green, blue
