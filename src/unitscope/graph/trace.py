"""Trace a module with `torch.export`, or with forward hooks where the export fails.

In: a module in evaluation mode and its input size. Out: a `Trace`: the layers, and modules with taps.
Independent of images, files and speed; `engine` optimises the graphs built here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.fx import Graph, GraphModule, Node

from unitscope.errors import NetworkError, first_line
from unitscope.graph.axes import unit_axes
from unitscope.graph.exporting import exporting
from unitscope.graph.functionalize import functional
from unitscope.graph.hooks import HookedTaps, record_layers
from unitscope.graph.naming import name_layers
from unitscope.graph.ops import op_name
from unitscope.graph.silence import silenced
from unitscope.graph.taps import LAYER, add_taps
from unitscope.networks import Network, eval_mode
from unitscope.units import Layer, LayerTable

# Some CUDA kernels (average pooling over a whole map) accept no larger batch, so the export has to declare the limit.
_MAX_BATCH = 65_535


class Trace(Protocol):
    """A network with its layer table; builds modules that return responses or activation maps."""

    @property
    def layers(self) -> LayerTable:
        """All calls that can be tapped, in execution order."""
        ...

    @property
    def fallback_reason(self) -> str:
        """One sentence: why the network could not be exported and what the fallback lacks; empty if it was exported."""
        ...

    def tapped(
        self, *, responses: Sequence[Layer] = (), maps: Sequence[Layer] = (), masks: Sequence[Layer] = ()
    ) -> nn.Module:
        """Return a module from ``(x, *masks)`` to ``(logits | None, responses | None, *maps)``.

        ``x`` is ``[image, channel, row, column]``. Responses are float32 ``[image, unit]``, the layers side by side.
        Each layer in ``maps`` adds one output, the layer's value in its own shape. Each layer in ``masks`` adds one
        input, float ``[unit]``: 0 sets a unit's map to zero, 1 keeps it.
        """
        ...


@dataclass(frozen=True, eq=False)
class ExportedTrace:
    """A network exported to a functional graph: every call is a node, and no value is modified in place."""

    layers: LayerTable
    graph_module: GraphModule
    nodes: dict[str, Node] = field(repr=False)
    fallback_reason: str = ""

    def tapped(
        self, *, responses: Sequence[Layer] = (), maps: Sequence[Layer] = (), masks: Sequence[Layer] = ()
    ) -> nn.Module:
        """See `Trace.tapped`; means, maps and masks are part of the graph itself."""
        means, masked = ([(self.nodes[layer.name], layer) for layer in layers] for layers in (responses, masks))
        return add_taps(self.graph_module, means=means, maps=[self.nodes[layer.name] for layer in maps], masks=masked)


@dataclass(frozen=True, eq=False)
class HookedTrace:
    """A network that can't be exported, read through forward hooks on its leaf modules."""

    layers: LayerTable
    module: nn.Module
    fallback_reason: str

    def tapped(
        self, *, responses: Sequence[Layer] = (), maps: Sequence[Layer] = (), masks: Sequence[Layer] = ()
    ) -> nn.Module:
        """See `Trace.tapped`; responses and maps are NaN where an image's forward pass skips the layer."""
        return HookedTaps(self.module, means=tuple(responses), maps=tuple(maps), masks=tuple(masks))


def trace(module: nn.Module, size: tuple[int, int], *, name: str) -> Trace:
    """Return the trace of a module.

    Args:
        module: in evaluation mode; it is not modified.
        size: rows and columns of its input, which has three channels.
        name: the network's name in messages.

    Raises:
        NetworkError: if the module does not run on an input of this size.
    """
    example = torch.zeros(2, 3, *size, device=device_of(module))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        example.normal_(generator=torch.Generator(example.device).manual_seed(0))
        try:
            return _export(module, example, name)
        except Exception as problem:  # whatever stopped the export, hooks may still work
            reason = first_line(problem)
        return _hook(module, example[:1], name, reason)


def trace_of(network: Network) -> Trace:
    """Return the trace of a network at its own input size; see `trace`."""
    with eval_mode(network.module):
        return trace(network.module, network.preprocessing.size, name=network.reference)


def device_of(module: nn.Module) -> torch.device:
    """Return the device of a module's parameters."""
    tensors = (*module.parameters(), *module.buffers())
    return tensors[0].device if tensors else torch.device("cpu")


def _export(module: nn.Module, example: Tensor, name: str) -> ExportedTrace:
    with exporting():
        with silenced():
            program = torch.export.export(
                module, (example,), dynamic_shapes=({0: Dim("batch", max=_MAX_BATCH)},), strict=False
            )
            graph_module = functional(program)
        _simplify(graph_module)
        named = name_layers(graph_module.graph, unit_axes(graph_module.graph), module)
    for node, layer in named:
        node.meta[LAYER] = layer.name  # copies of the node keep it
    table = LayerTable(tuple(layer for _, layer in named), name)
    return ExportedTrace(table, graph_module, {layer.name: node for node, layer in named})


def _simplify(graph_module: GraphModule) -> None:
    """Drop guards and pytree wrapping, so that inputs and outputs are plain tensors in any memory format."""
    for node in list(graph_module.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            graph_module.graph.erase_node(node)
        elif op_name(node) in ("view", "unsafe_view"):
            node.target = torch.ops.aten.reshape.default  # a channels_last tensor can't always be viewed
    graph = Graph()
    copies: dict[Node, Node] = {}
    outputs = graph.graph_copy(graph_module.graph, copies)
    values = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    graph.output((_logits([value for value in values if isinstance(value, Node)]),))
    graph_module.graph = graph
    graph_module.recompile()


def _logits(outputs: list[Node]) -> Node | None:
    """Return the first output of shape ``[image, class]``; it is taken as the prediction."""
    return next((node for node in outputs if len(node.meta["val"].shape) == 2), None)


def _hook(module: nn.Module, example: Tensor, name: str, reason: str) -> HookedTrace:
    try:
        layers = record_layers(module, example)
    except Exception as problem:
        rows, columns = example.shape[-2:]
        raise NetworkError(
            f"{name} does not run on an input of {rows}×{columns} RGB pixels: {first_line(problem)}; "
            "give the preprocessing that it was trained with (--preprocess)"
        ) from problem
    fallback_reason = (
        f"{name} can't be exported as a graph ({reason}), so it runs with forward hooks instead: only its modules "
        "become layers (functional ops do not), images run one at a time, and nothing is compiled"
    )
    return HookedTrace(LayerTable(layers, name), module, fallback_reason)
