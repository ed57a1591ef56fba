"""The theoretical receptive field of each value in a graph: the input pixels that a place of its map can depend on.

In: an exported graph with shapes. Out: a `ReceptiveField` for each node whose places have one; a place of the others,
behind attention or a reshape, may depend on all pixels.
Arithmetic of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks" (2019), carried
through branches as their union. Values that depend on the whole image but not on the place are left out: gates with one
value per unit (squeeze-and-excitation) and the statistics of group norms and instance norms.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.fx import Graph, Node

from unitscope.graph.axes import shape_of
from unitscope.graph.ops import CONVOLUTION, LINEAR, NORM, is_pointwise, kind_of, op_name
from unitscope.units import Extent, ReceptiveField

Fields = dict[Node, ReceptiveField]

_PIXEL = Extent(0, 1, 1)
_SAME = frozenset(
    {
        *("permute", "roll", "slice", "chunk", "split", "split_with_sizes", "getitem", "channel_shuffle", "expand"),
        *("clone", "contiguous", "alias", "detach", "to", "to_copy", "dropout", "feature_dropout"),
    }
)
_TO_LAST, _FROM_LAST = [0, 2, 3, 1], [0, 3, 1, 2]  # permutations of the units' axis


def receptive_fields(graph: Graph) -> Fields:
    """Return the receptive field of each node of rows and columns for which it is known."""
    fields: Fields = {}
    for image in list(graph.find_nodes(op="placeholder"))[:1]:
        fields[image] = ReceptiveField(_PIXEL, _PIXEL)
    for node in graph.nodes:
        if node.op == "call_function" and (found := _field(node, fields)) is not None:
            fields[node] = found
    return fields


def _field(node: Node, fields: Fields) -> ReceptiveField | None:
    name, kind = op_name(node), kind_of(node)
    if len(shape_of(node)) != 4:
        return None
    if kind == CONVOLUTION or name in _WINDOWS:
        source: Any = node.args[0]
        window = _WINDOWS.get(name, _convolution)
        return window(node, fields[source]) if source in fields else None
    if kind in (LINEAR, NORM):
        return fields.get(node.all_input_nodes[0])
    if name in _SAME:
        return _kept(node, node.all_input_nodes[0], fields)
    if name == "cat" and (len(node.args) == 1 or int(node.args[1]) % 4 == 1):  # type: ignore[arg-type]
        return _union(node.all_input_nodes, fields)
    return _pointwise(node, fields) if is_pointwise(node) else None


def _kept(node: Node, source: Node, fields: Fields) -> ReceptiveField | None:
    """Return the field of an op that leaves places where they are, such as a slice of the units."""
    name, dims = op_name(node), node.args[-1]
    if (name == "permute" and dims not in (_TO_LAST, _FROM_LAST)) or (name == "roll" and dims != [1]):
        return None
    same = sorted(map(str, shape_of(source)[1:])) == sorted(map(str, shape_of(node)[1:]))
    return fields.get(source) if same or _grid(source) == _grid(node) else None


def _pointwise(node: Node, fields: Fields) -> ReceptiveField | None:
    grid = _grid(node)
    operands = [each for each in node.all_input_nodes if each.op == "call_function" or each in fields]
    return _union([each for each in operands if len(shape_of(each)) == 4 and _grid(each) == grid], fields)


def _grid(node: Node) -> tuple[str, ...]:
    return tuple(map(str, shape_of(node)[2:]))


def _union(sources: Sequence[Node], fields: Fields) -> ReceptiveField | None:
    """Return the smallest field that contains those of all sources; None if one has none, or their steps differ."""
    known = [fields[source] for source in sources if source in fields]
    if not known or len(known) < len(sources):
        return None
    rows, columns = _joined([each.rows for each in known]), _joined([each.columns for each in known])
    return ReceptiveField(rows, columns) if rows and columns else None


def _joined(extents: Sequence[Extent]) -> Extent | None:
    if len({extent.step for extent in extents}) > 1:
        return None
    start = min(extent.start for extent in extents)
    return Extent(start, extents[0].step, max(extent.start + extent.size for extent in extents) - start)


def _slid(extent: Extent, kernel: int, stride: int, padding: int, dilation: int) -> Extent:
    """Return the extent of a window that slides over values with this extent."""
    reach = (kernel - 1) * dilation * extent.step
    return Extent(extent.start - padding * extent.step, extent.step * stride, extent.size + reach)


def _spread(extent: Extent, kernel: int, stride: int, padding: int, dilation: int) -> Extent:
    """Return the extent of a transposed convolution, at most a step too large."""
    reach = (kernel - 1) * dilation / stride * extent.step
    start = extent.start + padding / stride * extent.step - reach
    return Extent(start, extent.step / stride, extent.size + reach)


def _convolution(node: Node, field: ReceptiveField) -> ReceptiveField:
    weight: Any = node.args[1]
    kernel = shape_of(weight)[2:]
    given = _arguments(node)
    stride, dilation = _pair(given.get("stride", 1)), _pair(given.get("dilation", 1))
    padding = given.get("padding", 0)
    if padding == "same":
        sides = [(size - 1) * step // 2 for size, step in zip(kernel, dilation, strict=True)]
    else:
        sides = [0, 0] if padding == "valid" else _pair(padding)
    transposed = "transpose" in op_name(node) or bool(given.get("transposed", False))
    move = _spread if transposed else _slid
    return _both(field, lambda extent, axis: move(extent, kernel[axis], stride[axis], sides[axis], dilation[axis]))


def _pool(node: Node, field: ReceptiveField) -> ReceptiveField:
    given = _arguments(node)
    kernel = _pair(given["kernel_size"])
    stride, padding = _pair(given.get("stride") or kernel), _pair(given.get("padding", 0))
    dilation = _pair(given.get("dilation", 1))
    return _both(field, lambda extent, axis: _slid(extent, kernel[axis], stride[axis], padding[axis], dilation[axis]))


def _adaptive_pool(node: Node, field: ReceptiveField) -> ReceptiveField:
    """Windows of an adaptive pooling differ in size by one; the largest counts."""
    source: Any = node.args[0]
    before, after = shape_of(source)[2:], shape_of(node)[2:]

    def pooled(extent: Extent, axis: int) -> Extent:
        size, count = int(before[axis]), int(after[axis])
        uneven = size % count > 0
        window = size // count + 2 * uneven
        start = extent.start - uneven * extent.step
        return Extent(start, extent.step * size / count, extent.size + (window - 1 + uneven) * extent.step)

    return _both(field, pooled)


def _upsample(node: Node, field: ReceptiveField) -> ReceptiveField:
    """A value depends on its nearest neighbour, on one on each side if bilinear, or on two if bicubic."""
    source: Any = node.args[0]
    before, after = shape_of(source)[2:], shape_of(node)[2:]
    reach = 2 if "bicubic" in op_name(node) else 1

    def scaled(extent: Extent, axis: int) -> Extent:
        step = extent.step * int(before[axis]) / int(after[axis])
        return Extent(extent.start - reach * extent.step, step, extent.size + 2 * reach * extent.step)

    return _both(field, scaled)


def _pad(node: Node, field: ReceptiveField) -> ReceptiveField:
    sides: Any = [*node.args[1], 0, 0, 0, 0]  # type: ignore[misc]
    before = (sides[2], sides[0])
    return _both(
        field, lambda extent, axis: Extent(extent.start - before[axis] * extent.step, extent.step, extent.size)
    )


def _both(field: ReceptiveField, change: Callable[[Extent, int], Extent]) -> ReceptiveField:
    return ReceptiveField(change(field.rows, 0), change(field.columns, 1))


def _arguments(node: Node) -> dict[str, Any]:
    """Return an op's arguments by name."""
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def _pair(value: Any) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * 2 if len(values) == 1 else values


_WINDOWS: Mapping[str, Callable[[Node, ReceptiveField], ReceptiveField]] = {
    "max_pool2d": _pool,
    "max_pool2d_with_indices": _pool,
    "avg_pool2d": _pool,
    "adaptive_avg_pool2d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool,
    "upsample_nearest2d": _upsample,
    "upsample_bilinear2d": _upsample,
    "upsample_bicubic2d": _upsample,
    "constant_pad_nd": _pad,
    "pad": _pad,
}
