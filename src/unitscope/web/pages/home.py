"""The first page: the network as a strip of layers, the data set, facts about the scan.

In: an `AtlasCache`. Out: `HomePage`.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath

from unitscope.units import Layer
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.number_format import number
from unitscope.web.pages.annotated_unit import AnnotatedUnit, annotated_unit


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer of the strip; `zero_fraction` is the fraction of zeros among all its responses."""

    layer: str
    index: int
    kind: str
    units: int
    shape: tuple[int, ...]
    aliases: tuple[str, ...]
    zero_fraction: float
    dead: int


@dataclass(frozen=True, slots=True)
class LabelFacts:
    """A label of the images, its name, and the number of readable images that have it."""

    label: str
    name: str
    images: int


@dataclass(frozen=True, slots=True)
class LayerUnits:
    """The most distinctive units of a layer, each with its first exemplars; see `distinctive_units`."""

    layer: str
    units: tuple[AnnotatedUnit, ...]


@dataclass(frozen=True, slots=True)
class HomePage:
    """The atlas as a whole; `facts` are pairs of a name and a value, as text for the reader."""

    network: str
    images: int
    failed: int
    units: int
    layers: tuple[LayerFacts, ...]
    pictures: tuple[LayerUnits, ...]
    labels: tuple[LabelFacts, ...]
    facts: tuple[tuple[str, str], ...]
    command: str


def home_page(cache: AtlasCache, *, published: bool = False) -> HomePage:
    """Return the values of the first page; if `published`, without the folders of the machine that scanned."""
    manifest = cache.atlas.manifest
    return HomePage(
        manifest.network_name,
        int(manifest.images["count"]),
        int(manifest.images.get("failed", 0)),
        len(cache.atlas.index),
        layer_facts(cache),
        tuple(_distinctive(cache, layer) for layer in cache.atlas.layers),
        label_facts(cache),
        tuple(_facts(cache, published)),
        _without_paths(manifest.command) if published else manifest.command,
    )


def layer_facts(cache: AtlasCache) -> tuple[LayerFacts, ...]:
    """Return the layers of the atlas, shallow to deep."""
    zero_fraction, dead_units = (cache.sparsity[name].tolist() for name in ("zero_fraction", "dead"))
    rows = zip(cache.atlas.layers, zero_fraction, dead_units, strict=True)
    return tuple(
        LayerFacts(layer.name, layer.index, layer.kind, layer.units, layer.shape, layer.aliases, zeros, dead)
        for layer, zeros, dead in rows
    )


def _distinctive(cache: AtlasCache, layer: Layer) -> LayerUnits:
    units = cache.distinctive[layer.name]
    shown = (annotated_unit(cache, layer, one.channel, f"z {number(one.z_score, 2)}", exemplars=4) for one in units)
    return LayerUnits(layer.name, tuple(shown))


def label_facts(cache: AtlasCache) -> tuple[LabelFacts, ...]:
    """Return the labels, in the atlas's order."""
    labels = cache.atlas.manifest.labels
    return tuple(LabelFacts(one.label, one.name, cache.atlas.label_counts.get(one.label, 0)) for one in labels)


def _facts(cache: AtlasCache, published: bool) -> list[tuple[str, str]]:
    manifest = cache.atlas.manifest
    network, scan, where = manifest.network, manifest.scan, manifest.images["root"]
    rates = manifest.accuracy_rates()
    facts = {
        "network": "" if published or manifest.network_name == network["reference"] else network["reference"],
        "weights": _last_name(network.get("weights", "")) if published else network.get("weights", ""),
        "parameters": f"{network['parameters']:,}" if "parameters" in network else "",
        "fingerprint": str(network.get("fingerprint", ""))[:12],
        "images in": PurePath(where).name if published else where,
        "Top-1": f"{rates['top1']:.1%} of {manifest.accuracy['images']:,} labelled images" if rates else "",
        "Top-5": f"{rates['top5']:.1%}" if rates else "",
        "preprocessing": ", ".join(f"{name} {value}" for name, value in manifest.preprocessing.items()),
        "scan": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in scan.items() if name != "plan"),
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    }
    return [(name, value) for name, value in facts.items() if value]


def _last_name(path: str) -> str:
    return PurePath(path).name


def _without_paths(command: str) -> str:
    return re.sub(r"[^\s=]*[/\\]\S*", "…", command)
