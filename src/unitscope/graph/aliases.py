"""Add aliases to layers: ``act:N`` in every network, and the names of Keras and Caffe in VGG and ResNet.

In: the named layers of a network. Out: the same layers with aliases.
``conv5_3`` and ``block5_conv3`` mean the activation *after* the ReLU, as in Keras and in Shang, Yang and He (2019).
VGG and ResNet are recognised by their structure, so that renamed or retrained ones have these aliases too.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from unitscope.graph.ops import CONVOLUTION, LINEAR, POOL
from unitscope.units import ACTIVATION, Layer

Aliases = dict[str, tuple[str, ...]]

_RESNET_BLOCK = re.compile(r"layer([1-4])\.(\d+)\.(?:relu|act)\d*(?:_\d+)?")


def with_aliases(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers with their aliases."""
    known = _vgg(layers) | _resnet(layers)
    activations = [layer.name for layer in layers if layer.kind == ACTIVATION]
    numbers = {name: f"act:{number}" for number, name in enumerate(activations, 1)}
    return [
        replace(
            layer,
            aliases=(*([numbers[layer.name]] if layer.name in numbers else []), *known.get(layer.name, ())),
        )
        for layer in layers
    ]


def _vgg(layers: Sequence[Layer]) -> Aliases:
    """``conv{block}_{i}`` and ``block{block}_conv{i}``: a plain chain of convolutions in five pooled blocks."""
    features = [layer for layer in layers if layer.name.startswith("features.")]
    kinds = [layer.kind for layer in features]
    if kinds.count(POOL) != 5 or set(kinds) - {CONVOLUTION, ACTIVATION, POOL, "norm"} or len(kinds) < 21:
        return {}
    aliases: Aliases = {}
    block, number = 1, 0
    for layer in features:
        if layer.kind == POOL:
            block, number = block + 1, 0
        elif layer.kind == ACTIVATION:
            number += 1
            aliases[layer.name] = (f"conv{block}_{number}", f"block{block}_conv{number}")
    return aliases | _vgg_classifier(layers)


def _vgg_classifier(layers: Sequence[Layer]) -> Aliases:
    classifier = [layer for layer in layers if layer.name.startswith("classifier.")]
    activations = [layer.name for layer in classifier if layer.kind == ACTIVATION]
    if len(activations) != 2:
        return {}
    aliases: Aliases = {name: (f"fc{n + 5}", f"fc{n}") for n, name in enumerate(activations, 1)}
    last = [layer.name for layer in classifier if layer.kind == LINEAR][-1]
    return aliases | {last: ("fc8",)}


def _resnet(layers: Sequence[Layer]) -> Aliases:
    """``conv{stage}_block{b}_{i}_relu`` and ``conv{stage}_block{b}_out``, as in Keras."""
    activations = [layer.name for layer in layers if layer.kind == ACTIVATION]
    blocks = [(match, name) for name in activations if (match := _RESNET_BLOCK.fullmatch(name))]
    if {match[1] for match, _ in blocks} != set("1234") or len(blocks) + 1 != len(activations):
        return {}
    aliases: Aliases = {activations[0]: ("conv1_relu",)}
    for (stage, block), group in groupby(blocks, key=lambda item: (int(item[0][1]), int(item[0][2]))):
        names = [name for _, name in group]
        prefix = f"conv{stage + 1}_block{block + 1}"
        inner: Aliases = {name: (f"{prefix}_{number}_relu",) for number, name in enumerate(names[:-1], 1)}
        aliases |= inner | {names[-1]: (f"{prefix}_out",)}
    return aliases
