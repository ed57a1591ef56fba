"""Add taps to a graph: outputs for responses or activation maps.

In: an exported graph and some of its nodes. Out: a new graph module that shares the parameters; the input graph is not
modified.
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from unitscope.graph.ops import mask_shape, op_name
from unitscope.graph.peaks import peak
from unitscope.units import Layer

_aten = torch.ops.aten
_SUM_IN_PLACE = "convolution_pointwise_"
TAP, LAYER = "tap", "layer"
"""Keys in the meta of a node: a mean or a peak that a tap added, and the name of the layer whose value a node gives."""


Tap = tuple[Node, Layer]


def add_taps(
    graph_module: GraphModule,
    *,
    means: Sequence[Tap] = (),
    maps: Sequence[Node] = (),
    masks: Sequence[Tap] = (),
    peaks: Sequence[Tap] = (),
) -> GraphModule:
    """Return a graph from ``(x, *masks)`` to ``(logits | None, responses | None, *maps)``.

    A response is the mean of the activation map over all axes but the image's and the unit's (α in Shang, Yang and He,
    2019, section 2), float32 ``[image, unit]``; the layers stand side by side in the order given. A mask is float
    ``[unit]``: 1 keeps a unit, 0 makes its map zero. Means and maps are those behind the masks. Peaks add two outputs,
    values and places ``[image, unit]`` side by side, see `peak`.
    """
    graph, copies, logits = copied(graph_module)
    masked = {copies[node]: _mask(graph, copies[node], layer) for node, layer in masks}
    values = {node: masked.get(copy, copy) for node, copy in copies.items()}
    found = [_add_peak(graph, values[node], layer) for node, layer in peaks]
    responses = [add_mean(graph, values[node], layer) for node, layer in means]
    shown = [_kept(graph, values[node]) for node in maps]
    joined = _call(graph, _aten.cat.default, responses, 1) if responses else None
    greatest = [_call(graph, _aten.cat.default, list(part), 1) for part in zip(*found, strict=True)]
    graph.output((masked.get(logits, logits) if logits else None, joined, *shown, *greatest))
    return module_of(graph_module, graph)


def tap_layers(
    graph_module: GraphModule,
    nodes: Mapping[str, Node],
    *,
    responses: Sequence[Layer] = (),
    maps: Sequence[Layer] = (),
    masks: Sequence[Layer] = (),
    peaks: Sequence[Layer] = (),
) -> GraphModule:
    """Return a graph with taps at layers, whose nodes are given by name; see `add_taps`."""
    means, masked, greatest = ([(nodes[one.name], one) for one in layers] for layers in (responses, masks, peaks))
    shown = [nodes[layer.name] for layer in maps]
    return add_taps(graph_module, means=means, maps=shown, masks=masked, peaks=greatest)


def copied(graph_module: GraphModule) -> tuple[Graph, dict[Node, Node], Node | None]:
    """Return a copy of a graph without its output node, a dict from old to new nodes, and the logits' node."""
    graph = Graph()
    copies: dict[Node, Node] = {}
    outputs: Any = graph.graph_copy(graph_module.graph, copies)
    return graph, copies, outputs[0]


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


def _add_peak(graph: Graph, value: Node, layer: Layer) -> tuple[Node, Node]:
    """Add nodes for the values and the places of a layer's peaks, directly behind its value."""
    with graph.inserting_after(value):
        found = _call(graph, peak, value, layer.unit_axis)
    found.meta[TAP] = True
    with graph.inserting_after(found):
        places = _call(graph, operator.getitem, found, 1)
    with graph.inserting_after(found):
        return _call(graph, operator.getitem, found, 0), places


def add_nonzero(graph: Graph, value: Node, layer: Layer) -> Node:
    """Add a node that tells whether a unit's map has a value other than zero, bool ``[image, unit]``, and return it.

    The highest and the lowest value take a fraction of the time that ``any`` needs over several axes.
    """
    dims = [dim for dim in range(1, len(layer.shape) + 1) if dim != layer.unit_axis]
    with graph.inserting_before(value.next):
        if not dims:
            return _call(graph, _aten.ne.Scalar, value, 0)
        ends = [_call(graph, end, value, dims) for end in (_aten.amax.default, _aten.amin.default)]
        return _call(graph, _aten.logical_or.default, *(_call(graph, _aten.ne.Scalar, end, 0) for end in ends))


def _mask(graph: Graph, value: Node, layer: Layer) -> Node:
    """Multiply a layer's value by a mask, a new input of the graph; return the product, which all users get."""
    users = list(value.users)
    inputs = list(graph.find_nodes(op="placeholder"))
    with graph.inserting_after(inputs[-1]):
        mask = graph.placeholder(f"mask_{len(inputs) - 1}")
    with graph.inserting_after(value):
        shaped = _call(graph, _aten.reshape.default, mask, mask_shape(layer))
    with graph.inserting_after(shaped):
        product = _call(graph, _aten.mul.Tensor, value, shaped)
    product.meta = dict(value.meta)
    for user in users:
        user.replace_input_with(value, product)
    return product


def _kept(graph: Graph, value: Node) -> Node:
    """Copy a value where a fused sum overwrites it later; see `passes.fuse_conv`."""
    if not any(op_name(user) == _SUM_IN_PLACE for user in value.users):
        return value
    with graph.inserting_after(value):
        return _call(graph, _aten.clone.default, value)


def _call(graph: Graph, target: object, *args: object, **kwargs: object) -> Node:
    return graph.call_function(target, args, kwargs)  # type: ignore[arg-type]
