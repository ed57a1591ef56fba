"""Mask units of several layers in one forward pass.

In: a trace and layers. Out: a module from ``x`` and one mask per layer to logits and maps; 1 keeps a unit, 0 sets its
map to zero. Use `split_at` for many variants at one layer, and this for one variant across layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from unitscope.graph.hooks import calls, logits_of
from unitscope.graph.taps import copied, module_of
from unitscope.graph.trace import ExportedTrace, HookedTrace, Trace
from unitscope.units import Layer

_aten = torch.ops.aten


class Masked(Protocol):
    """A network with a mask at each of some layers."""

    def __call__(self, x: Tensor, masks: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """Return ``(logits | None, *maps)``, the maps after masking; masks are float ``[unit]``, one per layer."""
        ...


def with_masks(trace: Trace, layers: Sequence[Layer]) -> Masked:
    """Return the network with a mask at each of these layers."""
    if isinstance(trace, HookedTrace):
        return HookedMasks(trace.module, tuple(layers))
    assert isinstance(trace, ExportedTrace)
    graph, kept, logits = copied(trace.graph_module)
    (x,) = graph.find_nodes(op="placeholder")
    maps = []
    for number, layer in enumerate(layers):
        node = kept[trace.nodes[layer.name]]
        users = list(node.users)
        with graph.inserting_after(x):
            mask = graph.placeholder(f"mask_{number}")
        with graph.inserting_after(node):
            shaped = graph.call_function(_aten.reshape.default, (mask, _shape(layer)))
        with graph.inserting_after(shaped):
            edited = graph.call_function(_aten.mul.Tensor, (node, shaped))
        for user in users:
            user.replace_input_with(node, edited)
        logits = edited if logits is node else logits
        maps.append(edited)
    graph.output((logits, *maps))
    # Each mask was inserted directly after x, so the inputs are in reverse order.
    return GraphMasks(module_of(trace.graph_module, graph), len(maps))


@dataclass(frozen=True, eq=False)
class GraphMasks:
    """An exported network with masks."""

    module: nn.Module
    count: int

    def __call__(self, x: Tensor, masks: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """See `Masked`."""
        found: tuple[Tensor | None, ...] = self.module(x, *reversed(masks))
        return found


@dataclass(frozen=True, eq=False)
class HookedMasks:
    """A module under hooks, for one image at a time; the map is zero where the forward pass skips the layer."""

    module: nn.Module
    layers: tuple[Layer, ...]

    def __call__(self, x: Tensor, masks: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        """See `Masked`."""
        by_name = {layer.name: (layer, mask) for layer, mask in zip(self.layers, masks, strict=True)}
        maps = {layer.name: x.new_zeros((1, *layer.shape)) for layer in self.layers}

        def edit(name: str, leaf: nn.Module, given: Tensor, output: Tensor) -> Tensor | None:
            if name not in by_name:
                return None
            layer, mask = by_name[name]
            edited = output * mask.reshape(_shape(layer))
            maps[name] = edited.clone()
            return edited

        with calls(self.module, edit):
            logits = logits_of(self.module(x))
        return (logits, *(maps[layer.name] for layer in self.layers))


def _shape(layer: Layer) -> list[int]:
    """Return the shape of a mask that broadcasts over a layer's output ``[image, …]``."""
    shape = [1] * (len(layer.shape) + 1)
    shape[layer.unit_axis] = layer.units
    return shape
