"""Export a module as a functional graph whose only output is its logits.

In: a module in evaluation mode, and two example images. Out: a graph module in which no value is modified in place.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.fx import Graph, GraphModule, Node

from unitscope.graph.functionalize import functional
from unitscope.graph.logits import Head, meaning_of, probes, returning_logits
from unitscope.graph.ops import ADDED, CONVOLUTION, LINEAR, NORM, kind_of, op_name
from unitscope.graph.silence import silenced

# Some CUDA kernels (average pooling over a whole map) accept no larger batch, so the export has to declare the limit.
_MAX_BATCH = 65_535


def export_logits(module: nn.Module, example: Tensor, head: Head) -> GraphModule:
    """Return the graph of a module from images to logits, or to None if it has none; see `returning_logits`.

    Raises:
        NetworkError: if the module returns another number of values for an image than it has class names.
        Exception: whatever stops `torch.export`.
    """
    graph_module = _exported(module, example, head)
    if not head.certain and _may_be_probabilities(graph_module):
        seen = torch.cat([graph_module(images)[0] for images in (example, *probes(example))])
        if meaning := meaning_of(seen, head):
            head.meaning = meaning
            graph_module = _exported(module, example, head)
    return graph_module


def _exported(module: nn.Module, example: Tensor, head: Head) -> GraphModule:
    with silenced():
        with returning_logits(module, head):
            program = torch.export.export(
                module, (example,), dynamic_shapes=({0: Dim("batch", max=_MAX_BATCH)},), strict=False
            )
        graph_module = functional(program)
    _simplify(graph_module)
    return graph_module


def _may_be_probabilities(graph_module: GraphModule) -> bool:
    """Return whether the logits come from an op that can end in probabilities, as a softmax by hand does.

    The logits of a single value are halves of it, so that they come from no usual op.
    """
    outputs: Any = graph_module.graph.output_node().args[0]
    (node,) = outputs
    while isinstance(node, Node) and op_name(node) in ("reshape", "view", "squeeze", "clone", "getitem"):
        (node, *_) = node.args
    usual = (CONVOLUTION, LINEAR, NORM, "add")
    return isinstance(node, Node) and node.op == "call_function" and kind_of(node) not in usual


def _simplify(graph_module: GraphModule) -> None:
    """Drop guards and pytree wrapping, so that inputs and outputs are plain tensors in any memory format."""
    for node in list(graph_module.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            graph_module.graph.erase_node(node)
        elif op_name(node) in ("view", "unsafe_view"):
            node.target = torch.ops.aten.reshape.default  # a channels_last tensor can't always be viewed
        elif op_name(node) == "squeeze" and len(node.args) == 1:
            _squeeze_static(node)
    _mark_added(graph_module.graph)
    graph = Graph()
    copies: dict[Node, Node] = {}
    outputs = graph.graph_copy(graph_module.graph, copies)
    values = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    graph.output((values[0],))
    graph_module.graph = graph
    graph_module.recompile()


def _mark_added(graph: Graph) -> None:
    """Mark the ops behind the network's own outputs: they make logits of one of them, and are no layers."""
    nodes, outputs = list(graph.nodes), graph.output_node().args[0]
    own = [node for node in (outputs if isinstance(outputs, (tuple, list)) else ())[1:] if isinstance(node, Node)]
    for node in nodes[max((nodes.index(one) for one in own), default=len(nodes)) + 1 :]:
        node.meta[ADDED] = True


def _squeeze_static(node: Node) -> None:
    """Leave out the axis of images from a squeeze of all axes, which would drop it in a batch of one image."""
    (value,) = node.args
    assert isinstance(value, Node)
    sides = value.meta["val"].shape
    node.target = torch.ops.aten.squeeze.dims
    node.args = (value, [axis for axis, side in enumerate(sides) if isinstance(side, int) and side == 1])
