"""Name the calls of an exported graph and build its layers.

In: an exported graph, its unit axes and the module it came from. Out: pairs of node and `Layer`, in execution order.
Names follow torchvision: the module's path plus ``_k`` for its k-th repeated call; ops outside a leaf module are named
``parent.op``. The graph's metadata has a key for each module call (``relu``, ``relu@1``). Repeated calls are counted
from distinct keys, because the form of a key is an internal of PyTorch.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from torch import nn
from torch.fx import Graph, Node

from unitscope.graph.aliases import with_aliases
from unitscope.graph.axes import Axes, behind_axes, shape_of
from unitscope.graph.formulas import Formulas
from unitscope.graph.ops import ADDED, SIGNIFICANT, kind_of, module_call, op_name
from unitscope.units import ACTIVATION, Layer

Call = tuple[Node, str, str]  # the node of its output, its kind, and the base of its name


def name_layers(graph: Graph, calls: Sequence[Call], axes: Axes) -> list[tuple[Node, Layer]]:
    """Return the node and the layer of each of the `calls_of` a graph that can be tapped, in execution order."""
    names = _Names()
    found: list[tuple[Node, Layer]] = []
    for node, kind, base in calls:
        name = names.take(base)
        if kind and _tappable(node, axes, graph):
            shape = shape_of(node)
            layer = Layer(len(found), name, kind, int(shape[axes[node]]), tuple(shape[1:]), axes[node])
            found.append((node, layer))
    layers = with_aliases([layer for _, layer in found])
    outputs = _outputs(graph, taken={layer.name for layer in layers})
    return [
        (node, replace(layer, aliases=(*layer.aliases, *outputs.get(node, ()))))
        for (node, _), layer in zip(found, layers, strict=True)
    ]


def lost_activations(graph: Graph, calls: Sequence[Call], axes: Axes) -> list[str]:
    """Return the names of the activation calls that are no layers, since their unit axis is unknown.

    Those of values that no layer comes before, such as codes of positions, are left out.
    """
    behind = behind_axes(graph, axes) - axes.keys()
    return [
        base
        for node, kind, base in calls
        if kind == ACTIVATION and node in behind and len(shape_of(node)) > 1 and _by_image(node, graph)
    ]


def _outputs(graph: Graph, taken: set[str]) -> dict[Node, list[str]]:
    """Return paths of container modules by their output node; ``layer4.2`` is the output of its last ReLU."""
    calls: dict[str, dict[str, Node]] = {}
    for node in graph.nodes:
        for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items():
            if path and path not in taken and not key.startswith("_empty_nn_module_stack"):
                calls.setdefault(path, {})[key] = node
    outputs: dict[Node, list[str]] = {}
    for path, last in calls.items():
        if len(last) == 1:  # a module that is called twice has two outputs
            outputs.setdefault(next(iter(last.values())), []).append(path)
    return outputs


class _Names:
    """Makes the names of calls unique: the k-th repetition of a base name gets the suffix ``_k``."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._taken: set[str] = set()

    def take(self, base: str) -> str:
        name = base if not self._counts[base] else f"{base}_{self._counts[base]}"
        while name in self._taken:
            self._counts[base] += 1
            name = f"{base}_{self._counts[base]}"
        self._counts[base] += 1
        self._taken.add(name)
        return name


def calls_of(graph: Graph, module: nn.Module) -> Iterator[Call]:
    """Yield output node, kind and base name of each call; the ops of a leaf module's call count as one."""
    nodes = [node for node in graph.nodes if node.op == "call_function" and ADDED not in node.meta]
    formulas = Formulas.of(graph)
    for (_, path), group in groupby(nodes, key=module_call):
        ops = list(group)
        kinds = [_kind(node, formulas, graph) for node in ops]
        if path and _is_leaf(module, path) and sum(kind in SIGNIFICANT for kind in kinds) <= 1:
            kind = next((kind for kind in kinds if kind in SIGNIFICANT), "")
            yield ops[-1], kind or kinds[-1], path
        else:
            prefix = f"{path}." if path else ""
            yield from (
                (_first_value(node), kind, prefix + op_name(node))
                for node, kind in zip(ops, kinds, strict=True)
                if kind
            )


def _kind(node: Node, formulas: Formulas, graph: Graph) -> str:
    if node in formulas.results:
        return ACTIVATION
    if "batch_norm" in op_name(node) and not _by_image(node, graph):
        return ""  # it standardizes weights
    return "" if node in formulas.inner else kind_of(node)


def _first_value(node: Node) -> Node:
    """Return the node of the first value of an op that returns several, such as batch norm."""
    if isinstance(node.meta.get("val"), (tuple, list)):
        return next((user for user in node.users if user.args[1:] == (0,)), node)
    return node


def _is_leaf(module: nn.Module, path: str) -> bool:
    try:
        return not any(True for _ in module.get_submodule(path).children())
    except AttributeError:
        return False


def _tappable(node: Node, axes: Axes, graph: Graph) -> bool:
    """Return whether a node has images on axis 0, units on another axis and floating-point values."""
    return axes.get(node, 0) > 0 and _by_image(node, graph) and node.meta["val"].is_floating_point()


def _by_image(node: Node, graph: Graph) -> bool:
    (images, *_) = graph.find_nodes(op="placeholder")
    return str(shape_of(node)[0]) == str(shape_of(images)[0])
