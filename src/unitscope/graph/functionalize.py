"""Make an exported graph functional: no value is modified in place.

In: an exported program. Out: a graph module that computes the same. PyTorch's `run_decompositions` traces the network
a second time, which takes longer than the export itself. The ops of convolutional networks are rewritten here
instead, one by one; a program with any other op is left to PyTorch.
"""

import operator

import torch
from torch.export import ExportedProgram
from torch.fx import Graph, GraphModule, Node

_aten = torch.ops.aten
# Ops that `run_decompositions` leaves as they are, and that return a new tensor.
_SAME = {
    _aten.add.Tensor,
    _aten.adaptive_avg_pool2d.default,
    _aten.avg_pool2d.default,
    _aten.cat.default,
    _aten.conv2d.default,
    _aten.elu.default,
    _aten.gelu.default,
    _aten.hardsigmoid.default,
    _aten.hardswish.default,
    _aten.hardtanh.default,
    _aten.layer_norm.default,
    _aten.leaky_relu.default,
    _aten.linear.default,
    _aten.max_pool2d.default,
    _aten.mean.dim,
    _aten.mul.Tensor,
    _aten.relu.default,
    _aten.sigmoid.default,
    _aten.silu.default,
    _aten.sub.Tensor,
    _aten.sym_size.int,
    _aten.tanh.default,
}
# Ops that may return a view of their input, so that modifying one modifies the other.
_VIEWS = {_aten.flatten.using_ints, _aten.pad.default, _aten.permute.default, _aten.view.default}
_DROPOUT = {_aten.dropout.default, _aten.dropout_.default}
_IN_PLACE = {
    _aten.add_.Tensor: _aten.add.Tensor,
    _aten.elu_.default: _aten.elu.default,
    _aten.hardsigmoid_.default: _aten.hardsigmoid.default,
    _aten.hardswish_.default: _aten.hardswish.default,
    _aten.hardtanh_.default: _aten.hardtanh.default,
    _aten.leaky_relu_.default: _aten.leaky_relu.default,
    _aten.mul_.Tensor: _aten.mul.Tensor,
    _aten.relu_.default: _aten.relu.default,
    _aten.sigmoid_.default: _aten.sigmoid.default,
    _aten.silu_.default: _aten.silu.default,
}
_KNOWN = {*_SAME, *_VIEWS, *_DROPOUT, *_IN_PLACE, _aten.batch_norm.default}


def functional(program: ExportedProgram) -> GraphModule:
    """Return the graph of a program without in-place ops, with batch norm and flatten as PyTorch decomposes them."""
    module = program.module()
    assert isinstance(module, GraphModule)
    if _rewritten(module.graph):
        module.recompile()
        return module
    module = program.run_decompositions({}).module()
    assert isinstance(module, GraphModule)
    return module


def _rewritten(graph: Graph) -> bool:
    """Rewrite a graph and return True; return False, with the graph unusable, if it has an op that is not known."""
    calls = [node for node in graph.nodes if node.op == "call_function"]
    if any(node.target not in _KNOWN for node in calls):
        return False
    dropouts = [node for node in calls if node.target in _DROPOUT]  # first, as their outputs may be their inputs
    others = [node for node in calls if node.target not in _DROPOUT]
    return all(map(_drop_dropout, dropouts)) and all(map(_rewrite, others))


def _drop_dropout(node: Node) -> bool:
    """Replace dropout in evaluation mode by its input."""
    if node.args[2] is not False:
        return False
    node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
    node.graph.erase_node(node)
    return True


def _rewrite(node: Node) -> bool:
    if node.target in _IN_PLACE:
        return _out_of_place(node)
    if node.target is _aten.batch_norm.default:
        return _without_statistics(node)
    return _as_view(node) if node.target is _aten.flatten.using_ints else True


def _out_of_place(node: Node) -> bool:
    """Replace an in-place op, and give its result to all later users of the tensor that it modified."""
    modified = node.args[0]
    assert isinstance(modified, Node)
    dtype = modified.meta["val"].dtype  # a functional op may promote it
    others = [each for each in node.all_input_nodes if getattr(each.meta["val"], "dtype", dtype) != dtype]
    aliases = [each for each in (modified, *modified.users) if each.target in _VIEWS]
    if modified.op != "call_function" or others or aliases:
        return False
    node.target = _IN_PLACE[node.target]  # type: ignore[index]
    modified.replace_all_uses_with(node, delete_user_cb=lambda user: user is not node and user > node)
    return True


def _without_statistics(node: Node) -> bool:
    """Replace batch norm in evaluation mode by the op that leaves the running statistics alone."""
    images, weight, bias, mean, variance, training, momentum, eps, *_ = node.args
    if training is not False or mean is None or variance is None:
        return False
    with node.graph.inserting_before(node):
        values = node.graph.call_function(
            _aten._native_batch_norm_legit_no_training.default, (images, weight, bias, mean, variance, momentum, eps)
        )
    value = node.meta["val"]
    values.meta = node.meta | {"val": (value, value.new_empty(0), value.new_empty(0))}
    node.target, node.args = operator.getitem, (values, 0)
    return True


def _as_view(node: Node) -> bool:
    """Replace the flattening of all axes but the first by a view."""
    images, *axes = node.args
    value, (whole, *_) = node.meta["val"], node.graph.find_nodes(op="placeholder")
    if axes not in ([1], [1, -1]) or str(value.shape[0]) != str(whole.meta["val"].shape[0]):
        return False
    node.target, node.args = _aten.view.default, (images, [_image_count(whole), *value.shape[1:]])
    return True


def _image_count(whole: Node) -> Node:
    """Return the node of the number of images in the network's input."""
    for user in whole.users:
        if user.target is _aten.sym_size.int and user.args[1] == 0:
            return user
    with whole.graph.inserting_after(whole):
        count = whole.graph.call_function(_aten.sym_size.int, (whole, 0))
    count.meta = {"val": whole.meta["val"].shape[0]}
    return count
