"""From a reference to a network: which origin is meant, with which weights, φ and classes.

In: what the user wrote, or a module. Out: a `Network`.
Origins are found through the entry points `unitscope.networks`; how each loads its networks is in `origins`.
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unitscope.errors import NetworkError, UnitscopeError
from unitscope.networks.cards import Recipe
from unitscope.networks.custom_preprocessing import CustomPreprocessing
from unitscope.networks.network import Network
from unitscope.networks.origin import Origin
from unitscope.networks.preprocessing import PRESETS, Preprocessing, Wanted, parse_preprocessing
from unitscope.networks.weights import STATE_DICT_SUFFIXES, File, Random, Weights
from unitscope.plugins import NETWORKS, check_registered, file_in, find_plugins, plugin_for


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
        network: a reference, such as ``torchvision:resnet50`` or ``model.py:build`` (docs/networks.md), or a module.
        weights: a safetensors or state-dict file, or of another format that the origin takes; ``none`` for random ones;
            None for the origin's own.
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
    loaded = load_recipe(said)
    loaded.module.eval().requires_grad_(False)
    return replace(loaded, reference=said.network, source=_source(said))


def _given(module: nn.Module, said: Recipe) -> Network:
    if said.weights is not None or said.seed is not None:
        raise NetworkError(f"a given module ({type(module).__name__}) has its weights; leave weights and seed out")
    return Network(type(module).__name__, module, PRESETS["imagenet"])


def load_recipe(recipe: Recipe) -> Network:
    """Return the network of a recipe, with the φ and the classes that it names.

    Raises:
        NetworkError: as `load`.
    """
    origin, name = _origin(recipe.network)
    weights = recipe.chosen_weights
    _check_format(weights, origin)
    with _seeded(recipe.seed or 0):
        network = origin.load(name, recipe)
    trained = network.trained and not isinstance(weights, Random) if recipe.trained is None else recipe.trained
    return _dressed(replace(network, trained=trained), recipe)


def origin_of(reference: str) -> Origin:
    """Return the origin that a reference is for.

    Raises:
        NetworkError: if there is none; the message says what may have been meant.
        UnitscopeError: if its package can't be loaded.
    """
    plugin = plugin_for(reference)
    if plugin is None:
        check_registered(NETWORKS)
        raise NetworkError(_unknown(reference))
    return plugin.load()()  # type: ignore[no-any-return]


def _origin(reference: str) -> tuple[Origin, str]:
    """The origin of a reference, and what it is to load."""
    return origin_of(reference), reference if file_in(reference) else reference.partition(":")[2]


def _check_format(weights: Weights, origin: Origin) -> None:
    """Refuse a weight file of a format that only other origins read."""
    suffix = weights.path.suffix if isinstance(weights, File) and weights.path.is_file() else ""
    if not suffix or origin.has_weights or suffix in (*STATE_DICT_SUFFIXES, *origin.weight_suffixes):
        return
    if others := [one.form for one in _origins()[0].values() if suffix in one.weight_suffixes]:
        raise NetworkError(f"'{weights}' is a weight file for {' or '.join(others)}; give it to one of those networks")


def _unknown(reference: str) -> str:
    """Why a reference means nothing, and what may have been meant."""
    known, broken = _origins()
    takers = [one for one in known.values() if reference.endswith(tuple(one.weight_suffixes))]
    if forms := [one.form for one in takers if not one.has_weights]:
        return f"'{reference}' is weights, not a network; write {_either(forms)} --weights FILE, or a card"
    catalogue = [(name, f"'{scheme}:{name}'") for scheme, one in known.items() for name in one.names()]
    name = reference.rpartition(":")[2]
    if same := [other for known_name, other in catalogue if known_name == name]:
        hint = f"did you mean {_either(same)}?"
    elif near := difflib.get_close_matches(name, dict(catalogue), cutoff=0.6):
        hint = "closest: " + ", ".join(other for known_name, other in catalogue if known_name in near)
    else:
        hint = f"write {_either([one.form for one in known.values()])}"
    return "; ".join([f"no network '{reference}'", hint, *broken])


def _origins() -> tuple[dict[str, Origin], list[str]]:
    """The installed origins by name, schemes before files, and what is wrong with those that can't be loaded."""
    known: dict[str, Origin] = {}
    broken = []
    for plugin in sorted(find_plugins(NETWORKS), key=lambda plugin: (plugin.name.startswith("."), plugin.name)):
        try:
            known[plugin.name] = plugin.load()()
        except UnitscopeError as problem:
            broken.append(str(problem))
    return known, broken


def _either(forms: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(forms[:-1]), forms[-1]]))


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
    file = file_in(reference)
    return str(Path(file).resolve()) + reference[len(file) :] if file else reference


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator for a while; the caller's random state is given back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
