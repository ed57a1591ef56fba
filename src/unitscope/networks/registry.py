"""Load a network from a reference: find its origin, and apply weights, preprocessing and class names.

In: a reference from the user, or a module. Out: a `Network`.
Origins are found through the entry points `unitscope.networks`; the modules of `origins` load the networks.
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
from unitscope.networks import other_formats
from unitscope.networks.cards import LoadOptions
from unitscope.networks.custom_preprocessing import CustomPreprocessing
from unitscope.networks.network import Network, check_eager, in_float32
from unitscope.networks.origin import Origin
from unitscope.networks.preprocessing import PRESETS, Preprocessing, PreprocessingLike, parse_preprocessing
from unitscope.networks.weights import STATE_DICT_SUFFIXES, RandomWeights, Weights, WeightsFile
from unitscope.plugins import (
    NETWORKS,
    Plugin,
    check_registered,
    file_in,
    find_plugins,
    plugin_for,
    report_plugin_errors,
)


def load(
    network: str | Path | nn.Module,
    *,
    weights: str | Path | None = None,
    seed: int | None = None,
    preprocess: PreprocessingLike | None = None,
    classes: Sequence[str] | None = None,
) -> Network:
    """Return the network with this reference, ready to run, or a given module as a `Network`.

    Args:
        network: a reference such as ``torchvision:resnet50`` or ``model.py:build`` (see docs/networks.md), or a module.
        weights: a safetensors or state-dict file, or a file in another format that the origin reads; ``none`` for
            random weights; None for the origin's own.
        seed: seed of random weights, 0 by default. The caller's random state is not changed.
        preprocess: a preset's name, a table of parameters, or a function from RGB image to tensor ``[channel, H, W]``.
        classes: class names in the order of the logits, which replace the network's own.

    Raises:
        NetworkError: if the network, its weights or its preprocessing can't be found or loaded, or don't fit together.
    """
    if not isinstance(network, (str, Path, nn.Module)):
        raise NetworkError(
            f"load takes a reference or an nn.Module, not {type(network).__name__}; for a state dict, give the module "
            "that it was saved from"
        )
    if seed is not None and not 0 <= seed < 2**63:
        raise NetworkError(f"seed must be from 0 to 2**63 - 1, not {seed}")
    options = LoadOptions(
        network="" if isinstance(network, nn.Module) else str(network),
        weights=None if weights is None else str(weights),
        seed=seed,
        preprocess=preprocess,
        classes=None if classes is None else tuple(map(str, classes)),
    )
    if isinstance(network, nn.Module):
        return in_float32(_with_options(_from_module(network, options), options))
    loaded = in_float32(load_with_options(options))
    loaded.module.eval().requires_grad_(False)
    return replace(loaded, reference=options.network, source=_source(options))


def _from_module(module: nn.Module, options: LoadOptions) -> Network:
    if options.weights is not None or options.seed is not None:
        raise NetworkError(f"a given module ({type(module).__name__}) has its own weights; omit weights and seed")
    check_eager(module)
    return Network(type(module).__name__, module, PRESETS["imagenet"])


def load_with_options(options: LoadOptions) -> Network:
    """Return the network of load options, with their preprocessing and class names.

    Raises:
        NetworkError: as in `load`.
    """
    plugin = _plugin(options.network)
    weights = options.weights_choice
    origin: Origin = plugin.make()
    _check_format(weights, origin)
    with _seeded(options.seed or 0), report_plugin_errors(plugin):
        network = origin.load(_name(options.network), options)
        if not isinstance(network, Network):
            raise TypeError(f"load returned a {type(network).__name__}, not a Network")
        check_eager(network.module)
    trained = network.trained and not isinstance(weights, RandomWeights) if options.trained is None else options.trained
    return _with_options(replace(network, trained=trained), options)


def origin_of(reference: str) -> Origin:
    """Return the origin of a reference.

    Raises:
        NetworkError: if no origin matches; the message names the closest references.
        UnitscopeError: if the origin's package can't be loaded.
    """
    return _plugin(reference).make()  # type: ignore[no-any-return]


def _plugin(reference: str) -> Plugin:
    plugin = plugin_for(reference)
    if plugin is None:
        check_registered(NETWORKS)
        raise NetworkError(_unknown(reference))
    return plugin


def _name(reference: str) -> str:
    """Return the part of a reference that the origin loads: a file, or what follows the scheme."""
    return reference if file_in(reference) else reference.partition(":")[2]


def _check_format(weights: Weights, origin: Origin) -> None:
    """Raise NetworkError for a weight file that only other origins can read."""
    suffix = weights.path.suffix if isinstance(weights, WeightsFile) and weights.path.is_file() else ""
    if not suffix or origin.has_weights or suffix in (*STATE_DICT_SUFFIXES, *origin.weight_suffixes):
        return
    if others := [one.form for one in _origins()[0].values() if suffix in one.weight_suffixes]:
        raise NetworkError(f"'{weights}' is a weight file for {' or '.join(others)}; use it with one of those networks")


def _unknown(reference: str) -> str:
    """Return the error message for an unknown reference, with suggestions."""
    if what := other_formats.what_it_is(reference):
        return f"'{reference}' is {what}"
    known, broken = _origins()
    readers = [one for one in known.values() if reference.endswith(tuple(one.weight_suffixes))]
    if forms := [one.form for one in readers if not one.has_weights]:
        return f"'{reference}' is a weight file, not a network; write {_either(forms)} --weights FILE, or a card"
    catalogue = [
        (name, f"'{plugin.name}:{name}'") for plugin, one in known.items() for name in _names(plugin, one, broken)
    ]
    name = reference.rpartition(":")[2]
    if same := [other for known_name, other in catalogue if known_name == name]:
        hint = f"did you mean {_either(same)}?"
    elif near := difflib.get_close_matches(name, dict(catalogue), cutoff=0.6):
        hint = "closest: " + ", ".join(other for known_name, other in catalogue if known_name in near)
    else:
        hint = f"write {_either([one.form for one in known.values()])}"
    return "; ".join([f"no network '{reference}'", hint, *broken])


def _names(plugin: Plugin, origin: Origin, broken: list[str]) -> Sequence[str]:
    """Return the networks of an origin; if it fails, none, and append the error to ``broken``."""
    try:
        with report_plugin_errors(plugin):
            return tuple(origin.names())
    except UnitscopeError as problem:
        broken.append(str(problem))
        return ()


def _origins() -> tuple[dict[Plugin, Origin], list[str]]:
    """Return the installed origins, schemes before file suffixes, and errors of those that can't be loaded."""
    known: dict[Plugin, Origin] = {}
    broken = []
    for plugin in sorted(find_plugins(NETWORKS), key=lambda plugin: (plugin.name.startswith("."), plugin.name)):
        try:
            known[plugin] = plugin.make()
        except UnitscopeError as problem:
            broken.append(str(problem))
    return known, broken


def _either(forms: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(forms[:-1]), forms[-1]]))


def _with_options(network: Network, options: LoadOptions) -> Network:
    """Return the network with the options' preprocessing and class names, if they have any."""
    if options.preprocess is not None:
        network = replace(network, preprocessing=parse_preprocessing(options.preprocess))
    if options.classes is not None:
        network = replace(network, classes=options.classes, wnids=())
    return network


def _source(options: LoadOptions) -> dict[str, Any]:
    """Return the arguments as plain values with absolute paths; an empty dict if the preprocessing is a function."""
    wanted = options.preprocess
    if isinstance(wanted, Preprocessing):
        wanted = wanted.to_dict()
    elif isinstance(wanted, CustomPreprocessing) or callable(wanted):
        return {}
    weights = options.weights if options.weights in (None, "none") else str(Path(options.weights).resolve())
    source = {"network": _absolute(options.network), "weights": weights, "seed": options.seed, "preprocess": wanted}
    return source if options.classes is None else {**source, "classes": list(options.classes)}


def _absolute(reference: str) -> str:
    file = file_in(reference)
    return str(Path(file).resolve()) + reference[len(file) :] if file else reference


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator within the context, and restore the caller's random state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
