"""A network cut in two at a layer: the prefix runs once an image, the suffix once for every variant of the layer.

In: a trace and a layer. Out: `SplitNetwork`: the activations at the cut, and logits when some units are removed.
Everything that lives across the cut is carried. Where a network can't be cut, the whole of it is run for each variant:
slower, with the same answers.
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
    CutActivations,
    HookedSplit,
    UnsplitGraph,
    constant_maps,
    no_logits,
    replace_units,
)
from unitscope.graph.ops import op_name
from unitscope.graph.taps import add_mean, copied, module_of
from unitscope.graph.trace import ExportedTrace, HookedTrace, Trace
from unitscope.units import Layer

_aten = torch.ops.aten


class SplitNetwork(Protocol):
    """A network in two halves."""

    def prefix(self, x: Tensor) -> CutActivations:
        """Return what the images ``[image, 3, row, column]`` bring to the cut."""
        ...

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """Return logits ``[variant, image, class]``, units having been removed.

        Args:
            live: from `CutActivations`.
            removed: which units of the layer go, bool ``[variant, image, unit]``; 1 stands for all images.
            fill: what the map of a removed unit becomes in every place, float32 ``[unit]``; zeros, or means.
        """
        ...


def split_at(trace: Trace, layer: Layer) -> SplitNetwork:
    """Return the network cut at a layer.

    Raises:
        NetworkError: if the network gives no logits, or the layer does not bear on them.
    """
    if isinstance(trace, HookedTrace):
        return HookedSplit(trace.module, layer, trace.layers.network)
    assert isinstance(trace, ExportedTrace)
    return _cut_graph(trace.graph_module, trace.nodes[layer.name], layer, trace.layers.network)


@dataclass(frozen=True, eq=False)
class SplitGraph:
    """An exported network in two graphs.

    Attributes:
        before: from ``x`` to ``(responses, *live)``.
        after: from ``(*live)`` to logits; the edit is made on the first value.
        sliding: from the layer's own output to the value that is edited; see `commuting_ops`.
        layer: where the units are.
        axis: of the units in the edited value.
    """

    before: nn.Module
    after: nn.Module
    sliding: nn.Module
    layer: Layer
    axis: int

    def prefix(self, x: Tensor) -> CutActivations:
        """See `SplitNetwork.prefix`."""
        responses, *live = self.before(x)
        return CutActivations(responses, tuple(live))

    def suffix(self, live: tuple[Tensor, ...], removed: Tensor, fill: Tensor) -> Tensor:
        """See `SplitNetwork.suffix`."""
        variants, images = len(removed), len(live[0])
        edited = replace_units(live[0], removed, self._replacement(fill, live[0]), axis=self.axis)
        others = (value.expand(variants, *value.shape).flatten(0, 1) for value in live[1:])
        logits: Tensor = self.after(edited.flatten(0, 1), *others)
        return torch.unflatten(logits, 0, (variants, images))

    def _replacement(self, fill: Tensor, like: Tensor) -> Tensor:
        """What the ops through which the edit slid make of maps that are constant, ``[1, …]``."""
        replacement: Tensor = self.sliding(constant_maps(fill.to(like.device, like.dtype), self.layer))
        return replacement


def _cut_graph(whole: GraphModule, node: Node, layer: Layer, name: str) -> SplitNetwork:
    output = _logits(whole, name)
    suffix = {op for op in _descendants(node) if op in _ancestors(output)}
    if output is not node and output not in suffix:
        raise NetworkError(f"layer '{layer.name}' does not bear on the logits of {name}: removing its units is idle")
    axes = unit_axes(whole.graph)
    chain = commuting_ops(node, axes)
    edited = chain[-1] if chain else node
    suffix -= set(chain)
    (images,) = whole.graph.find_nodes(op="placeholder")
    crossing = _crossing(suffix, _descendants(images) | {images})
    live = [edited, *sorted(crossing - {edited})]
    if not all(_by_image(value, node) for value in live) or not _sizes_known(suffix, node):
        # Some value holds windows or heads of several images on its first axis: nothing short of the images will do.
        return UnsplitGraph(*_uncut(whole, node, layer), layer)
    before = _before(whole, node, layer, live)
    return SplitGraph(before, _after(whole, suffix, live, output), _chain(whole, node, chain), layer, axes[edited])


def _logits(whole: GraphModule, name: str) -> Node:
    (output,) = whole.graph.find_nodes(op="output")
    logits = output.args[0][0]  # type: ignore[index]
    if not isinstance(logits, Node):
        raise no_logits(name)
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
    """The values that the suffix needs and that depend on the images; sizes and constants are made anew."""
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
    """Tell whether all sizes that the suffix needs from before the cut follow from the number of images."""
    sizes = {source for op in suffix for source in op.all_input_nodes if _is_size(source) and source not in suffix}
    return all(
        str(node.meta["val"]) == str(shape_of(like)[0])
        for size in sizes
        for node in _ancestors(size)
        if _is_size(node) and op_name(node).startswith("sym_size")
    )


def _before(whole: GraphModule, node: Node, layer: Layer, live: list[Node]) -> GraphModule:
    graph, kept, _ = copied(whole)
    responses = add_mean(graph, kept[node], layer)
    graph.output((responses, *(kept[value] for value in live)))
    return module_of(whole, graph)


def _after(whole: GraphModule, suffix: set[Node], live: list[Node], output: Node) -> GraphModule:
    graph = Graph()
    kept = {value: graph.placeholder(f"live_{number}") for number, value in enumerate(live)}
    for op in whole.graph.nodes:
        if op in suffix:
            _place(op, graph, kept, images=kept[live[0]])
    graph.output(kept[output])
    return module_of(whole, graph)


def _chain(whole: GraphModule, node: Node, chain: tuple[Node, ...]) -> GraphModule:
    graph = Graph()
    kept = {node: graph.placeholder("maps")}
    for op in chain:
        _place(op, graph, kept, images=kept[node])
    graph.output(kept[chain[-1] if chain else node])
    return module_of(whole, graph)


def _place(op: Node, graph: Graph, kept: dict[Node, Node], *, images: Node) -> None:
    """Copy an op and the weights, constants and sizes that it needs; how many images there are is asked anew."""
    for source in op.all_input_nodes:
        if source in kept:
            continue
        if op_name(source).startswith("sym_size"):
            kept[source] = graph.call_function(_aten.sym_size.int, (images, 0))
        else:
            _place(source, graph, kept, images=images)
    kept[op] = graph.node_copy(op, kept.__getitem__)


def _uncut(whole: GraphModule, node: Node, layer: Layer) -> tuple[GraphModule, GraphModule]:
    """From ``x`` to responses, and from ``(x, removed, replacement)`` to logits, each through the whole network."""
    graph, kept, _ = copied(whole)
    graph.output(add_mean(graph, kept[node], layer))
    tapped = module_of(whole, graph)
    graph, kept, logits = copied(whole)
    users = list(kept[node].users)
    with graph.inserting_after(next(iter(graph.find_nodes(op="placeholder")))):
        replacement = graph.placeholder("replacement")
        removed = graph.placeholder("removed")
    with graph.inserting_after(kept[node]):
        edited = graph.call_function(_aten.where.self, (removed, replacement, kept[node]))
    for user in users:
        user.replace_input_with(kept[node], edited)
    graph.output(edited if logits is kept[node] else logits)
    return tapped, module_of(whole, graph)
