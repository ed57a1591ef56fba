"""Convolutions that clip and add on their way out, for a CPU that runs a graph op by op.

In: a graph module, its batch norms folded. Out: one with fewer ops: oneDNN's own convolutions, which `torch.compile`
uses too, with weights laid out for them once. Values change by rounding only, mostly not at all.
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
# What gives memory of its own, and keeps nothing that looks into what it was given.
_APART = frozenset(("convolution_pointwise", "convolution_pointwise_", "conv2d", "add", "relu", "max_pool2d", "mean"))
_ops: Any = torch.ops.mkldnn


def fuse_convolutions(module: GraphModule) -> GraphModule:
    """Fuse each convolution with the clipping that follows it, and with the sum where that may overwrite a summand.

    Where `can_fuse` says no, the module is given back as it is; with weights that are not finite too, as oneDNN's ReLU
    makes NaN to 0, and a broken network is to be known as one.
    """
    if not can_fuse() or not is_finite(module):
        return module
    for convolution in module.graph.find_nodes(op="call_function", target=torch.ops.aten.conv2d.default):
        if _fits(convolution):
            _fuse(module, convolution)
    return module_of(module, module.graph)


@cache
def can_fuse() -> bool:
    """Tell whether this PyTorch has oneDNN's convolutions, which are no public part of it."""
    x, weight = (torch.zeros(1, 1, 1, 1, dtype=torch.float32, device="cpu") for _ in range(2))
    ones = [1, 1]
    try:
        laid_out = (_ops._reorder_convolution_weight(weight, [0, 0], ones, ones, 1), None, [0, 0], ones, ones, 1)
        _ops._convolution_pointwise(x, *laid_out, "hardtanh", [0.0, 6.0], "")
        _ops._convolution_pointwise_.binary(x.clone(), x, *laid_out, "add", 1.0, "relu", [], "")
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return True


def is_finite(module: nn.Module) -> bool:
    """Tell whether all weights are numbers; a module with others is fused with nothing."""
    return all(bool(torch.isfinite(value).all()) for value in (*module.parameters(), *module.buffers()))


def _fits(convolution: Node) -> bool:
    value, weight = convolution.meta["val"], convolution.args[1]
    assert isinstance(weight, Node)
    on_cpu = value.dtype == torch.float32 and value.device.type == "cpu"
    return on_cpu and value.ndim == 4 and weight.op == "get_attr"


def _fuse(module: GraphModule, convolution: Node) -> None:
    """All of it takes place where the convolution did, so nothing is read later than before."""
    total, graph = _sum(convolution), module.graph
    with graph.inserting_before(convolution):
        source, laid_out = convolution.args[0], _laid_out(module, convolution)
        if total is None:
            end, clip = _clipped(convolution)
            fused = graph.call_function(_ops._convolution_pointwise.default, (source, *laid_out, *clip))
        else:
            relu, other = _only_user(total, "relu"), _other(total, convolution)
            end, clip = relu or total, ("relu" if relu else None, [], "")
            sum_up = _ops._convolution_pointwise_.binary
            fused = graph.call_function(sum_up, (other, source, *laid_out, "add", 1.0, *clip))
    fused.meta = dict(end.meta)
    end.replace_all_uses_with(fused)
    for node in dict.fromkeys((end, total or end, convolution)):
        graph.erase_node(node)


def _laid_out(module: GraphModule, convolution: Node) -> tuple[Any, ...]:
    """Weight (in oneDNN's order), bias, padding, stride, dilation, groups."""
    given: tuple[Any, ...] = (*convolution.args, *_DEFAULTS[len(convolution.args) :])
    _, weight, bias, *places, groups = given
    stride, padding, dilation = (list(each) * (2 // len(each)) for each in places)
    name = f"laid_out_{convolution.name}"
    ordered = _ops._reorder_convolution_weight(stored(module, weight), padding, stride, dilation, groups)
    module.register_buffer(name, nn.Buffer(ordered))
    return module.graph.get_attr(name), bias, padding, stride, dilation, groups


def _clipped(convolution: Node) -> tuple[Node, tuple[str | None, list[float], str]]:
    """The end of a convolution and what clips it, if anything does, in oneDNN's words."""
    if relu := _only_user(convolution, "relu"):
        return relu, ("relu", [], "")
    if hardtanh := _only_user(convolution, "hardtanh"):  # as which a ReLU6 is exported
        bounds: tuple[Any, ...] = hardtanh.args[1:]
        return hardtanh, ("hardtanh", [float(bound) for bound in (*bounds, *(-1, 1)[len(bounds) :])], "")
    return convolution, ("none", [], "")


def _sum(convolution: Node) -> Node | None:
    """The sum that a convolution goes into, if the other summand may be overwritten once the convolution is done."""
    total = _only_user(convolution, "add")
    other = total and _other(total, convolution)
    if total is None or other is None or total.kwargs or not other < convolution:
        return None
    apart = op_name(other) in _APART and all(op_name(user) in _APART for user in other.users)
    read_before = all(user < convolution for user in other.users if user is not total)
    return total if apart and read_before and _form(other) == _form(convolution) else None


def _other(total: Node, summand: Node) -> Node | None:
    others = [value for value in total.args if value is not summand]
    return others[0] if len(others) == 1 and isinstance(others[0], Node) else None


def _form(node: Node) -> tuple[torch.Size, torch.dtype] | None:
    value = node.meta["val"]
    return (value.shape, value.dtype) if isinstance(value, Tensor) else None


def _only_user(node: Node, name: str) -> Node | None:
    """What alone uses a node, if it is an op of this name."""
    users = list(node.users)
    return users[0] if len(users) == 1 and op_name(users[0]) == name else None
