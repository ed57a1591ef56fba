"""Split a network at a layer: the prefix runs once per image, the suffix once for each variant of the layer.

In: a trace and a layer. Out: a `SplitNetwork`, which returns the activations at the cut, and logits after units were
removed. All values that cross the cut are carried over. A network that can't be split runs as a whole for each variant:
slower, with the same results.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node

from unitscope.errors import NetworkError
from unitscope.graph.axes import shape_of, unit_axes
from unitscope.graph.commuting_ops import commuting_ops
from unitscope.graph.interventions import (
    HookedSplit,
    SplitActivations,
    UnsplitGraph,
    constant_maps,
    no_logits_error,
    replace_units,
)
from unitscope.graph.ops import op_name
from unitscope.graph.taps import add_mean, add_nonzero, copied, module_of
from unitscope.graph.trace import ExportedTrace, HookedTrace, Trace
from unitscope.units import Layer

_aten = torch.ops.aten


class SplitNetwork(Protocol):
    """A network in two parts: a prefix up to a layer, and the suffix after it."""

    def prefix(self, x: Tensor) -> SplitActivations:
        """Return the values at the cut for images ``[image, channel, row, column]``."""
        ...

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """Return logits ``[variant, image, class]`` after removing units.

        Args:
            live: the values at the cut, from `SplitActivations`.
            removed: mask of the units to remove, bool ``[variant, image, unit]``; an image axis of size 1 applies to
                all images.
            fill: the value of a removed unit's map at every position, float32 ``[unit]``: zeros, or means.
        """
        ...


def split_at(trace: Trace, layer: Layer) -> SplitNetwork:
    """Return the network split at a layer.

    Raises:
        NetworkError: if the network returns no logits, or the layer has no path to them.
    """
    if isinstance(trace, HookedTrace):
        return HookedSplit(trace.module, layer, trace.head)
    assert isinstance(trace, ExportedTrace)
    return _cut_graph(trace, trace.nodes[layer.name], layer)


@dataclass(frozen=True, eq=False)
class SplitGraph:
    """An exported network, split into two graphs.

    Attributes:
        before: from ``x`` to ``(responses, nonzero, *live)``.
        after: from ``(*live)`` to logits; the first value is the edited one.
        commuting: from the layer's output to the value that is edited; see `commuting_ops`.
        layer: the layer of the units.
        axis: the unit axis of the edited value.
    """

    before: nn.Module
    after: nn.Module
    commuting: nn.Module
    layer: Layer
    axis: int

    def prefix(self, x: Tensor) -> SplitActivations:
        """See `SplitNetwork.prefix`."""
        responses, nonzero, *live = self.before(x)
        return SplitActivations(responses, nonzero, tuple(live))

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """See `SplitNetwork.suffix`."""
        variants, images = len(removed), len(live[0])
        edited = replace_units(live[0], removed, self._replacement(fill, live[0]), axis=self.axis)
        others = (value.expand(variants, *value.shape).flatten(0, 1) for value in live[1:])
        logits: Tensor = self.after(edited.flatten(0, 1), *others)
        return torch.unflatten(logits, 0, (variants, images))

    def _replacement(self, fill: Tensor, like: Tensor) -> Tensor:
        """Return the output of the commuting ops for constant maps, ``[1, …]``."""
        replacement: Tensor = self.commuting(constant_maps(fill.to(like.device, like.dtype), self.layer))
        return replacement


def _cut_graph(trace: ExportedTrace, node: Node, layer: Layer) -> SplitNetwork:
    whole, output = trace.graph_module, _logits(trace)
    suffix = {op for op in _descendants(node) if op in _ancestors(output)}
    if output is not node and output not in suffix:
        raise NetworkError(
            f"layer '{layer.name}' has no path to the logits of {trace.layers.network}, so removing its units changes "
            "nothing; choose a layer before the logits"
        )
    axes = unit_axes(whole.graph)
    chain = commuting_ops(node, axes)
    edited = chain[-1] if chain else node
    suffix -= set(chain)
    (images,) = whole.graph.find_nodes(op="placeholder")
    crossing = _crossing(suffix, _descendants(images) | {images})
    live = [edited, *sorted(crossing - {edited})]
    whole_images = trace.single_image or not all(_by_image(value, node) for value in live)
    if whole_images or not _sizes_known(suffix, node):
        # Variants side by side would be one batch, or a value has windows of several images on its first axis.
        return UnsplitGraph(*_uncut(whole, node, layer), layer)
    before = _before(whole, node, layer, live)
    return SplitGraph(before, _after(whole, suffix, live, output), _chain(whole, node, chain), layer, axes[edited])


def _logits(trace: ExportedTrace) -> Node:
    (output,) = trace.graph_module.graph.find_nodes(op="output")
    logits = output.args[0][0]  # type: ignore[index]
    if not isinstance(logits, Node):
        raise no_logits_error(trace.head)
    return logits


def _descendants(node: Node) -> set[Node]:
    found: set[Node] = set()
    todo = [node]
    while todo:
        fresh = [user for user in todo.pop().users if user not in found and user.op != "output"]
        found.update(fresh)
        todo += fresh
    return found


def _ancestors(node: Node) -> set[Node]:
    found = {node}
    todo = [node]
    while todo:
        fresh = [source for source in todo.pop().all_input_nodes if source not in found]
        found.update(fresh)
        todo += fresh
    return found


def _crossing(suffix: set[Node], of_images: set[Node]) -> set[Node]:
    """Return the values that the suffix needs and that depend on the images; sizes and constants are recomputed."""
    found: set[Node] = set()
    todo = list(suffix)
    while todo:
        for source in todo.pop().all_input_nodes:
            if source in suffix or source in found or _is_size(source):
                continue
            if source in of_images:
                found.add(source)
            else:
                todo.append(source)
    return found


def _is_size(node: Node) -> bool:
    return isinstance(node.meta.get("val"), (torch.SymInt, int))


def _by_image(value: Node, like: Node) -> bool:
    return bool(shape_of(value)) and str(shape_of(value)[0]) == str(shape_of(like)[0])


def _sizes_known(suffix: set[Node], like: Node) -> bool:
    """Return whether all sizes that the suffix needs from before the cut depend only on the number of images."""
    sizes = {source for op in suffix for source in op.all_input_nodes if _is_size(source) and source not in suffix}
    return all(
        str(node.meta["val"]) == str(shape_of(like)[0])
        for size in sizes
        for node in _ancestors(size)
        if _is_size(node) and op_name(node).startswith("sym_size")
    )


def _before(whole: GraphModule, node: Node, layer: Layer, live: list[Node]) -> GraphModule:
    graph, copies, _ = copied(whole)
    nonzero, responses = add_nonzero(graph, copies[node], layer), add_mean(graph, copies[node], layer)
    graph.output((responses, nonzero, *(copies[value] for value in live)))
    return module_of(whole, graph)


def _after(whole: GraphModule, suffix: set[Node], live: list[Node], output: Node) -> GraphModule:
    graph = Graph()
    copies = {value: graph.placeholder(f"live_{number}") for number, value in enumerate(live)}
    for op in whole.graph.nodes:
        if op in suffix:
            _copy_op(op, graph, copies, images=copies[live[0]])
    graph.output(copies[output])
    return module_of(whole, graph)


def _chain(whole: GraphModule, node: Node, chain: tuple[Node, ...]) -> GraphModule:
    graph = Graph()
    copies = {node: graph.placeholder("maps")}
    for op in chain:
        _copy_op(op, graph, copies, images=copies[node])
    graph.output(copies[chain[-1] if chain else node])
    return module_of(whole, graph)


def _copy_op(op: Node, graph: Graph, copies: dict[Node, Node], *, images: Node) -> None:
    """Copy an op with the weights, constants and sizes that it needs; the batch size is read from ``images``."""
    for source in op.all_input_nodes:
        if source in copies:
            continue
        if op_name(source).startswith("sym_size"):
            copies[source] = graph.call_function(_aten.sym_size.int, (images, 0))
        else:
            _copy_op(source, graph, copies, images=images)
    copies[op] = graph.node_copy(op, copies.__getitem__)


def _uncut(whole: GraphModule, node: Node, layer: Layer) -> tuple[GraphModule, GraphModule]:
    """Return whole graphs from ``x`` to ``(responses, nonzero)``, and from ``(x, removed, replacement)`` to logits."""
    graph, copies, _ = copied(whole)
    nonzero, responses = add_nonzero(graph, copies[node], layer), add_mean(graph, copies[node], layer)
    graph.output((responses, nonzero))
    tapped = module_of(whole, graph)
    graph, copies, logits = copied(whole)
    users = list(copies[node].users)
    with graph.inserting_after(next(iter(graph.find_nodes(op="placeholder")))):
        replacement = graph.placeholder("replacement")
        removed = graph.placeholder("removed")
    with graph.inserting_after(copies[node]):
        edited = graph.call_function(_aten.where.self, (removed, replacement, copies[node]))
    for user in users:
        user.replace_input_with(copies[node], edited)
    graph.output(edited if logits is copies[node] else logits)
    return tapped, module_of(whole, graph)
