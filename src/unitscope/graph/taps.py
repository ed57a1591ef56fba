"""Add taps to a graph: outputs for responses or activation maps.

In: an exported graph and some of its nodes. Out: a new graph module that shares the parameters; the input graph is not
modified.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from unitscope.units import Layer

_aten = torch.ops.aten
TAP = "tap"
"""Key in a node's meta that marks a mean as a tap, to tell it from the network's own means."""


def add_responses(
    graph_module: GraphModule, taps: Sequence[tuple[Node, Layer]], maps: Sequence[Node] = ()
) -> GraphModule:
    """Return a graph from ``x`` to ``(logits | None, responses, *maps)``, responses float32 ``[image, unit]``.

    A response is the mean of the activation map over all axes except those of images and units
    (α in Shang, Yang and He, 2019, section 2). Layers are concatenated in the order given.
    """
    graph, kept, logits = copied(graph_module)
    means = [add_mean(graph, kept[node], layer) for node, layer in taps]
    graph.output((logits, _call(graph, _aten.cat.default, means, 1), *(kept[node] for node in maps)))
    return module_of(graph_module, graph)


def add_maps(graph_module: GraphModule, nodes: Sequence[Node]) -> GraphModule:
    """Return a graph from ``x`` to ``(logits | None, *maps)``, each map in its layer's own shape."""
    graph, kept, logits = copied(graph_module)
    graph.output((logits, *(kept[node] for node in nodes)))
    return module_of(graph_module, graph)


def copied(graph_module: GraphModule) -> tuple[Graph, dict[Node, Node], Node | None]:
    """Return a copy of a graph without its output node, a dict from old to new nodes, and the logits' node."""
    graph = Graph()
    kept: dict[Node, Node] = {}
    outputs: Any = graph.graph_copy(graph_module.graph, kept)
    return graph, kept, outputs[0]


def module_of(source: GraphModule, graph: Graph) -> GraphModule:
    """Return a graph as a module that shares the source's parameters, without nodes that no output needs."""
    graph.eliminate_dead_code()
    graph.lint()
    return GraphModule(source, graph)


def add_mean(graph: Graph, value: Node, layer: Layer) -> Node:
    """Add a node for the responses of a layer's units, float32 ``[image, unit]``, and return it.

    The mean follows its value directly, so that the value can be freed as early as without the tap.
    """
    dims = [dim for dim in range(1, len(layer.shape) + 1) if dim != layer.unit_axis]
    with graph.inserting_after(value):
        mean = _call(graph, _aten.mean.dim, value, dims, dtype=torch.float32) if dims else value
    if dims:
        mean.meta[TAP] = True
    if dims or value.meta["val"].dtype == torch.float32:
        return mean
    with graph.inserting_after(mean):
        return _call(graph, _aten.to.dtype, mean, torch.float32)


def _call(graph: Graph, target: object, *args: object, **kwargs: object) -> Node:
    return graph.call_function(target, args, kwargs)  # type: ignore[arg-type]
