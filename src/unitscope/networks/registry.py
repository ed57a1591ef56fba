"""From a reference to a network: which origin is meant, with which weights, φ and classes.

In: what the user wrote, or a module. Out: a `Network`.
Knows the origins by name only; how each loads its networks is in a file of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unitscope.errors import NetworkError, closest
from unitscope.networks.cards import Recipe, read_card
from unitscope.networks.custom_preprocessing import CustomPreprocessing
from unitscope.networks.network import Network
from unitscope.networks.origins import keras_applications as keras_models
from unitscope.networks.origins import packages as package_models
from unitscope.networks.origins import python_file as files
from unitscope.networks.origins import timm as timm_models
from unitscope.networks.origins import torchvision as torchvision_models
from unitscope.networks.preprocessing import (
    PRESETS,
    Preprocessing,
    Wanted,
    parse_preprocessing,
)
from unitscope.networks.weights import KERAS_SUFFIXES, Random, Weights, parse_weights

Loader = Callable[[str, Weights], Network]

ORIGINS: dict[str, Loader] = {
    "torchvision": torchvision_models.load,
    "timm": timm_models.load,
    "keras": keras_models.load,
    "package": package_models.load,
}
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", *KERAS_SUFFIXES)


def load(
    network: str | Path | nn.Module,
    *,
    weights: str | Path | None = None,
    seed: int | None = None,
    preprocess: Wanted | None = None,
    classes: Sequence[str] | None = None,
) -> Network:
    """Return the network that a reference names, ready to run; or a module as it is, with what goes with it.

    Args:
        network: ``torchvision:NAME``, ``timm:NAME``, ``keras:NAME``, ``package:NAME``,
            ``FILE.py:FUNCTION``, ``CARD.toml`` or a module.
        weights: a safetensors, state-dict or Keras ``.h5`` file; ``none`` for random ones; None for the origin's own.
        seed: of random weights, 0 unless given. The caller's random numbers are left as found.
        preprocess: a preset's name, a card's table, or a function from RGB image to tensor ``[3, H, W]``.
        classes: class names in the order of the logits, where the network's own don't apply.

    Raises:
        NetworkError: if the network, its weights or its preprocessing can't be found, read or fitted.
    """
    said = Recipe(
        network="" if isinstance(network, nn.Module) else str(network),
        weights=None if weights is None else str(weights),
        seed=seed,
        preprocess=preprocess,
        classes=None if classes is None else tuple(classes),
    )
    if isinstance(network, nn.Module):
        return _dressed(_given(network, said), said)
    recipe = said.on(read_card(Path(said.network))) if said.network.endswith(".toml") else said
    loaded = _dressed(_built(recipe), recipe)
    loaded.module.eval().requires_grad_(False)
    return replace(loaded, reference=said.network, source=_source(said))


def _given(module: nn.Module, said: Recipe) -> Network:
    if said.weights is not None or said.seed is not None:
        raise NetworkError(f"a given module ({type(module).__name__}) has its weights; leave weights and seed out")
    return Network(type(module).__name__, module, PRESETS["imagenet"])


def _built(recipe: Recipe) -> Network:
    seed = recipe.seed or 0
    loader, name = _origin(recipe.network)
    weights = parse_weights(recipe.weights, seed)
    with _seeded(seed):
        network = loader(name, weights)
    trained = recipe.trained if recipe.trained is not None else not isinstance(weights, Random)
    return replace(network, trained=trained)


def _origin(reference: str) -> tuple[Loader, str]:
    """Which loader a reference is for, and what it is to load."""
    head, colon, name = reference.partition(":")
    if colon and head in ORIGINS:
        return ORIGINS[head], name
    if reference.rpartition(":")[0].endswith(".py"):
        return files.load, reference
    raise NetworkError(_unknown(reference))


def _unknown(reference: str) -> str:
    """Why a reference means nothing, and what may have been meant."""
    if reference.endswith(".py"):
        return f"'{reference}' names no function; write {reference}:FUNCTION"
    if reference.endswith(WEIGHT_SUFFIXES):
        origin = "keras" if reference.endswith(KERAS_SUFFIXES) else "torchvision"
        return f"'{reference}' is weights, not a network; write {origin}:NAME --weights FILE, or a card"
    name = reference.rpartition(":")[2]
    if having := [f"'{origin}:{name}'" for origin, known in _names().items() if name in known]:
        return f"no network '{reference}'; did you mean {' or '.join(having)}?"
    near = closest(name, [f"torchvision:{known}" for known in torchvision_models.names()], cutoff=0.5)
    origins = ", ".join(f"{origin}:NAME" for origin in ORIGINS)
    return f"no network '{reference}'; {near or f'write {origins}, FILE.py:FUNCTION or CARD.toml'}"


def _names() -> Mapping[str, Sequence[str]]:
    return {
        "torchvision": torchvision_models.names(),
        "keras": tuple(keras_models.MODELS),
        "package": tuple(package_models.SIDES),
        "timm": timm_models.names(),
    }


def _dressed(network: Network, recipe: Recipe) -> Network:
    """The network with the φ and the classes that were asked for in place of its own."""
    if recipe.preprocess is not None:
        network = replace(network, preprocessing=parse_preprocessing(recipe.preprocess))
    if recipe.classes is not None:
        network = replace(network, classes=recipe.classes, wnids=())
    return network


def _source(said: Recipe) -> dict[str, Any]:
    """The arguments as plain values, with absolute paths; nothing where φ is a function."""
    wanted = said.preprocess
    if isinstance(wanted, Preprocessing):
        wanted = wanted.to_dict()
    elif isinstance(wanted, CustomPreprocessing) or callable(wanted):
        return {}
    weights = said.weights if said.weights in (None, "none") else str(Path(said.weights).resolve())
    source = {"network": _absolute(said.network), "weights": weights, "seed": said.seed, "preprocess": wanted}
    return source if said.classes is None else {**source, "classes": list(said.classes)}


def _absolute(reference: str) -> str:
    head, _, function = reference.rpartition(":")
    if reference.endswith(".toml"):
        return str(Path(reference).resolve())
    return f"{Path(head).resolve()}:{function}" if head.endswith(".py") else reference


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator for a while; the caller's random state is given back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
