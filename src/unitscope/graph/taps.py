"""Taps: graphs that also give responses or activation maps.

In: an exported graph and some of its nodes. Out: a new graph module; the one given is left as it is.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from unitscope.units import Layer

_aten = torch.ops.aten
TAP = "tap"
"""In the meta of a mean: that it is a tap's, and none of the network's own."""


def add_responses(
    graph_module: GraphModule, taps: Sequence[tuple[Node, Layer]], maps: Sequence[Node] = ()
) -> GraphModule:
    """Return a graph from ``x`` to ``(logits | None, responses, *maps)``, responses float32 ``[image, unit]``.

    A response is the mean of the activation map, over all axes but the image's and the unit's
    (α in Shang, Yang and He, 2019, section 2). Layers lie side by side in the order given.
    """
    graph, kept, logits = copied(graph_module)
    means = [add_mean(graph, kept[node], layer) for node, layer in taps]
    graph.output((logits, _call(graph, _aten.cat.default, means, 1), *(kept[node] for node in maps)))
    return module_of(graph_module, graph)


def add_maps(graph_module: GraphModule, nodes: Sequence[Node]) -> GraphModule:
    """Return a graph from ``x`` to ``(logits | None, *maps)``, each map as its layer gives it."""
    graph, kept, logits = copied(graph_module)
    graph.output((logits, *(kept[node] for node in nodes)))
    return module_of(graph_module, graph)


def copied(graph_module: GraphModule) -> tuple[Graph, dict[Node, Node], Node | None]:
    """Return a copy of a graph without its output, which node became which, and the logits."""
    graph = Graph()
    kept: dict[Node, Node] = {}
    outputs: Any = graph.graph_copy(graph_module.graph, kept)
    return graph, kept, outputs[0]


def module_of(source: GraphModule, graph: Graph) -> GraphModule:
    """Return a graph as a module that shares the source's parameters; what no output needs is dropped."""
    graph.eliminate_dead_code()
    graph.lint()
    return GraphModule(source, graph)


def add_mean(graph: Graph, value: Node, layer: Layer) -> Node:
    """Return a new node, the response of a layer's units, float32 ``[image, unit]``.

    It is taken right behind its value, so that the value can be freed as early as before.
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
