"""Find the unit (channel) axis of every value in a graph from its ops.

In: an exported graph with shapes. Out: a dict from node to axis; nodes whose unit axis is unknown are left out.
Shapes alone can't distinguish ``[B, C, H, W]`` from ``[B, H, W, C]``: convolutions and batch norms put units on axis 1,
linear layers and layer norms on the last axis; elementwise ops inherit the axis; permutations and reshapes move it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch.fx import Graph, Node

from unitscope.graph.ops import CONVOLUTION, LINEAR, NORM, is_pointwise, kind_of, op_name

Axes = dict[Node, int]

_BATCH_NORMS = ("batch_norm_legit_no_training", "batch_norm_legit", "batch_norm")


def unit_axes(graph: Graph) -> Axes:
    """Return the unit axis of each node for which it is known.

    Axes follow the values through the graph. Where they are lost, for example in a reshape that splits the units, the
    ops that use a value tell: a convolution takes units on axis 1.
    """
    axes = _followed(graph, {})
    return _followed(graph, known) if (known := _from_users(graph, axes)) else axes


def _followed(graph: Graph, known: Axes) -> Axes:
    """Return the axes that follow from the ops, and from those already known."""
    axes: Axes = {}
    for node in graph.nodes:
        axis = _axis(node, axes) if node.op == "call_function" else None
        axis = known.get(node) if axis is None else axis
        if axis is not None:
            axes[node] = axis
    return axes


def _from_users(graph: Graph, axes: Axes) -> Axes:
    """Return the axes that users tell, of nodes behind a known axis whose own is lost."""
    found: Axes = {}
    behind = behind_axes(graph, axes)
    for node in reversed(graph.nodes):
        if node in behind and node not in axes and shape_of(node):
            wanted = {axis for user in node.users if (axis := _wanted(user, node, axes | found)) is not None}
            if len(wanted) == 1:
                found[node] = wanted.pop()
    return found


def behind_axes(graph: Graph, axes: Axes) -> set[Node]:
    """Return the nodes with a known axis, and those computed from them."""
    behind: set[Node] = set()
    for node in graph.nodes:
        if node in axes or any(source in behind for source in node.all_input_nodes):
            behind.add(node)
    return behind


def _wanted(user: Node, node: Node, axes: Axes) -> int | None:
    """Return the axis on which an op takes the units of a value, None if it takes any."""
    name, kind, dims = op_name(user), kind_of(user), len(shape_of(node))
    if not user.args or user.args[0] is not node:
        return None
    if kind == CONVOLUTION or name.endswith((*_BATCH_NORMS, "group_norm", "instance_norm")):
        return 1
    if name.endswith("pool2d") or name.startswith("upsample"):
        return 1 if dims == 4 else None
    if kind in (LINEAR, NORM):
        return dims - 1
    same = is_pointwise(user) and tuple(map(str, shape_of(user))) == tuple(map(str, shape_of(node)))
    return axes.get(user) if same else None


def shape_of(node: Node) -> tuple[Any, ...]:
    """Return a node's shape (that of the first value if an op returns several); sizes may be symbolic."""
    value: Any = node.meta.get("val")
    if isinstance(value, (tuple, list)):
        value = value[0] if value else None
    return tuple(value.shape) if hasattr(value, "shape") else ()


def _args(node: Node) -> tuple[Any, ...]:
    """Return an op's arguments: nodes, numbers or lists of them, as in ATen's schema."""
    return node.args


def _axis(node: Node, axes: Axes) -> int | None:
    name, kind, dims = op_name(node), kind_of(node), len(shape_of(node))
    if kind == CONVOLUTION or name.endswith(_BATCH_NORMS):
        return 1
    if name.endswith(("group_norm", "instance_norm")):
        return 1
    if kind in (LINEAR, NORM):
        return dims - 1
    if name in _MOVES:
        source = _args(node)[0]
        if isinstance(source, (list, tuple)):
            source = source[0]
        return _MOVES[name](node, source, axes[source]) if source in axes else None
    return _inherited(node, axes) if is_pointwise(node) else None


def _inherited(node: Node, axes: Axes) -> int | None:
    """Return the unit axis of an elementwise result: that of its operands, aligned from the right."""
    shape = shape_of(node)
    found = {
        len(shape) - len(shape_of(source)) + axes[source]
        for source in node.all_input_nodes
        if source in axes and shape_of(source)[axes[source]] == shape[axes[source] - len(shape_of(source))]
    }
    return found.pop() if len(found) == 1 else None


def _same(node: Node, source: Node, axis: int) -> int | None:
    return axis


def _permute(node: Node, source: Node, axis: int) -> int | None:
    dims = [dim % len(_args(node)[1]) for dim in _args(node)[1]]
    return dims.index(axis)


def _transpose(node: Node, source: Node, axis: int) -> int | None:
    dims = len(shape_of(source))
    first, second = (dim % dims for dim in _args(node)[1:3])
    moved: dict[int, int] = {first: second, second: first}
    return moved.get(axis, axis)


def _reshape(node: Node, source: Node, axis: int) -> int | None:
    """Return the output axis that has the same size and the same number of elements after it."""
    before, after = shape_of(source), shape_of(node)
    trailing = _static_product(before[axis + 1 :])
    matches = [
        position
        for position, size in enumerate(after)
        if _equal(size, before[axis]) and trailing is not None and _static_product(after[position + 1 :]) == trailing
    ]
    return matches[0] if matches else None


def _reduce(node: Node, source: Node, axis: int) -> int | None:
    dims = len(shape_of(source))
    reduced = _args(node)[1] if len(_args(node)) > 1 else list(range(dims))
    removed = {dim % dims for dim in ([reduced] if isinstance(reduced, int) else reduced)}
    if axis in removed:
        return None
    keepdim = len(_args(node)) > 2 and bool(_args(node)[2])
    return axis if keepdim else axis - sum(dim < axis for dim in removed)


def _drop(node: Node, source: Node, axis: int) -> int | None:
    dim = int(_args(node)[1]) % len(shape_of(source)) if len(_args(node)) > 1 else 0
    return None if dim == axis else axis - (dim < axis)


def _squeeze(node: Node, source: Node, axis: int) -> int | None:
    dims, wanted = len(shape_of(source)), _args(node)[1:]
    if dims == len(shape_of(node)):
        return axis
    given = wanted[0] if wanted else []
    dropped = {dim % dims for dim in ([given] if isinstance(given, int) else given)}
    return None if axis in dropped or not dropped else axis - sum(dim < axis for dim in dropped)


def _unsqueeze(node: Node, source: Node, axis: int) -> int | None:
    dim = int(_args(node)[1]) % len(shape_of(node))
    return axis + (dim <= axis)


def _shuffle(node: Node, source: Node, axis: int) -> int | None:
    """``pixel_shuffle`` takes its units from the third axis from the end, and puts them there."""
    return axis if axis == len(shape_of(source)) - 3 else None


def _element(node: Node, source: Node, axis: int) -> int | None:
    """``getitem``: one of an op's several values; all share the axis recorded for that op."""
    return axis if len(shape_of(node)) > axis else None


_MOVES: Mapping[str, Callable[[Node, Node, int], int | None]] = {
    "permute": _permute,
    "transpose": _transpose,
    "view": _reshape,
    "reshape": _reshape,
    "unsafe_view": _reshape,
    "flatten": _reshape,
    "mean": _reduce,
    "amax": _reduce,
    "select": _drop,
    "unbind": _drop,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "getitem": _element,
    "pixel_shuffle": _shuffle,
    "pixel_unshuffle": _shuffle,
    "channel_shuffle": _same,
} | dict.fromkeys(
    [
        "cat",
        "roll",
        "pad",
        "constant_pad_nd",
        "clone",
        "contiguous",
        "dropout",
        "slice",
        "expand",
        "split",
        "split_with_sizes",
        "chunk",
        "alias",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "max_pool2d_with_indices",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "adaptive_max_pool2d",
        "to",
        "to_copy",
        "detach",
        "upsample_nearest2d",
        "upsample_bilinear2d",
        "masked_fill",
        "slice_scatter",
    ],
    _same,
)


def _static_product(sizes: tuple[Any, ...]) -> int | None:
    return math.prod(sizes) if all(isinstance(size, int) for size in sizes) else None


def _equal(size: Any, other: Any) -> bool:
    return isinstance(size, int) and isinstance(other, int) and size == other
