"""Find the layers whose units are the network's classes: a class's logit is the mean of its unit's map.

In: an exported graph whose output is the logits, and its layers. Out: names of layers. SqueezeNet ends so: the 1,000
maps of its last activation are averaged to the logits, without a linear layer.
"""

from collections.abc import Iterable
from typing import Any

from torch.fx import Graph, Node

from unitscope.graph.axes import shape_of
from unitscope.graph.ops import op_name
from unitscope.units import Layer

_SAME = ("reshape", "view", "flatten", "squeeze", "clone", "contiguous", "alias", "detach", "dropout", "to", "to_copy")


def class_layers(graph: Graph, layers: Iterable[tuple[Node, Layer]]) -> tuple[str, ...]:
    """Return the names of the layers whose mean maps are the logits, shallow to deep; empty if there are no logits."""
    by_node: dict[Node, Layer] = dict(layers)
    outputs: Any = graph.output_node().args[0]
    node, found = outputs[0], list[str]()
    if not isinstance(node, Node) or len(shape_of(node)) != 2:
        return ()
    classes = shape_of(node)[1]
    while isinstance(node, Node):
        layer = by_node.get(node)
        if layer is not None and layer.units == classes:
            found.append(layer.name)
        if not (op_name(node) in _SAME or _is_mean(node, classes)) or shape_of(node)[1:2] != (classes,):
            break
        node = node.args[0]
    return tuple(reversed(found))


def _is_mean(node: Node, classes: int) -> bool:
    """Return whether an op takes the mean of each of the maps, one for each class, over all positions."""
    name, source = op_name(node), node.args[0] if node.args else None
    if not isinstance(source, Node):
        return False
    shape, args = shape_of(source), node.args
    if name == "mean" and len(args) > 1 and isinstance(args[1], (list, tuple)):
        kept = set(range(1, len(shape))) - {axis % len(shape) for axis in args[1] if isinstance(axis, int)}
        return [shape[axis] for axis in kept] == [classes]
    if name.endswith("adaptive_avg_pool2d"):
        return shape_of(node)[1:] == (classes, 1, 1)
    return name == "avg_pool2d" and tuple(_sides(args[1])) == shape[2:] and not any(_sides(args[3:4] and args[3]))


def _sides(value: Any) -> list[int]:
    """Return a size for rows and columns, which may be given as one number or not at all, as a list."""
    given = [value] if isinstance(value, int) else list(value or ())
    return given * 2 if len(given) == 1 else given
