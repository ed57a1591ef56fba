"""Fuse convolutions with the ReLU and the addition that follow them, for eager execution on a CPU.

In: a graph module with folded batch norms. Out: one with fewer ops: oneDNN's convolutions, which `torch.compile` uses
too, with weights reordered once. Values change by rounding errors at most.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from unitscope.graph.ops import op_name
from unitscope.graph.passes.fold_batch_norm import stored
from unitscope.graph.taps import module_of

_DEFAULTS = (None, None, None, (1, 1), (0, 0), (1, 1), 1)  # of conv2d's arguments
# Ops whose result is new memory, never a view of their input.
_WITHOUT_VIEWS = frozenset(
    ("convolution_pointwise", "convolution_pointwise_", "conv2d", "add", "relu", "max_pool2d", "mean", "peak")
)
_ops: Any = torch.ops.mkldnn


def fuse_convolutions(module: GraphModule) -> GraphModule:
    """Fuse each convolution with the ReLU or ReLU6 after it, and with an addition that may overwrite its other operand.

    Return the module unchanged where `can_fuse` is False or a weight is not finite: oneDNN's ReLU turns NaN into 0,
    which would hide that the weights are broken.
    """
    if not can_fuse() or not is_finite(module):
        return module
    for convolution in module.graph.find_nodes(op="call_function", target=torch.ops.aten.conv2d.default):
        if _is_fusible(convolution):
            _fuse(module, convolution)
    return module_of(module, module.graph)


@cache
def can_fuse() -> bool:
    """Return whether this PyTorch has oneDNN's fused convolutions, which are not part of its public interface."""
    x, weight = (torch.zeros(1, 1, 1, 1, dtype=torch.float32, device="cpu") for _ in range(2))
    ones = [1, 1]
    try:
        arguments = (_ops._reorder_convolution_weight(weight, [0, 0], ones, ones, 1), None, [0, 0], ones, ones, 1)
        _ops._convolution_pointwise(x, *arguments, "hardtanh", [0.0, 6.0], "")
        _ops._convolution_pointwise_.binary(x.clone(), x, *arguments, "add", 1.0, "relu", [], "")
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return True


def is_finite(module: nn.Module) -> bool:
    """Return whether all parameters and buffers are finite."""
    return all(bool(torch.isfinite(value).all()) for value in (*module.parameters(), *module.buffers()))


def _is_fusible(convolution: Node) -> bool:
    value, weight = convolution.meta["val"], convolution.args[1]
    assert isinstance(weight, Node)
    on_cpu = value.dtype == torch.float32 and value.device.type == "cpu"
    return on_cpu and value.ndim == 4 and weight.op == "get_attr"


def _fuse(module: GraphModule, convolution: Node) -> None:
    """Put the fused op in the convolution's place, so that no input is read later than before."""
    total, graph = _addition(convolution), module.graph
    with graph.inserting_before(convolution):
        source, arguments = convolution.args[0], _arguments(module, convolution)
        if total is None:
            end, activation = _activation(convolution)
            fused = graph.call_function(_ops._convolution_pointwise.default, (source, *arguments, *activation))
        else:
            relu, other = _only_user(total, "relu"), _other_operand(total, convolution)
            end, activation = relu or total, ("relu" if relu else None, [], "")
            add_to_other = _ops._convolution_pointwise_.binary
            fused = graph.call_function(add_to_other, (other, source, *arguments, "add", 1.0, *activation))
    fused.meta = dict(end.meta)
    end.replace_all_uses_with(fused)
    for node in dict.fromkeys((end, total or end, convolution)):
        graph.erase_node(node)


def _arguments(module: GraphModule, convolution: Node) -> tuple[Any, ...]:
    """Return weight (in oneDNN's order), bias, padding, stride, dilation, groups."""
    given: tuple[Any, ...] = (*convolution.args, *_DEFAULTS[len(convolution.args) :])
    _, weight, bias, *geometry, groups = given
    stride, padding, dilation = (list(each) * (2 // len(each)) for each in geometry)
    name = f"reordered_{convolution.name}"
    ordered = _ops._reorder_convolution_weight(stored(module, weight), padding, stride, dilation, groups)
    module.register_buffer(name, nn.Buffer(ordered))
    return module.graph.get_attr(name), bias, padding, stride, dilation, groups


def _activation(convolution: Node) -> tuple[Node, tuple[str | None, list[float], str]]:
    """Return the last node to fuse with a convolution, and its activation as oneDNN's arguments."""
    if relu := _only_user(convolution, "relu"):
        return relu, ("relu", [], "")
    if hardtanh := _only_user(convolution, "hardtanh"):  # the exported form of ReLU6
        bounds: tuple[Any, ...] = hardtanh.args[1:]
        return hardtanh, ("hardtanh", [float(bound) for bound in (*bounds, *(-1, 1)[len(bounds) :])], "")
    return convolution, ("none", [], "")


def _addition(convolution: Node) -> Node | None:
    """Return the addition that uses a convolution, if the convolution may overwrite the other operand."""
    total = _only_user(convolution, "add")
    other = total and _other_operand(total, convolution)
    if total is None or other is None or total.kwargs or not other < convolution:
        return None
    unshared = all(op_name(node) in _WITHOUT_VIEWS for node in (other, *other.users))
    read_before = all(user < convolution for user in other.users if user is not total)
    return total if unshared and read_before and _shape_and_dtype(other) == _shape_and_dtype(convolution) else None


def _other_operand(total: Node, operand: Node) -> Node | None:
    others = [value for value in total.args if value is not operand]
    return others[0] if len(others) == 1 and isinstance(others[0], Node) else None


def _shape_and_dtype(node: Node) -> tuple[torch.Size, torch.dtype] | None:
    value = node.meta["val"]
    return (value.shape, value.dtype) if isinstance(value, Tensor) else None


def _only_user(node: Node, name: str) -> Node | None:
    """Return the user of a node if it is the only one and has this op name."""
    users = list(node.users)
    return users[0] if len(users) == 1 and op_name(users[0]) == name else None
