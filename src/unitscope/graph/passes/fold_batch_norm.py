"""Fold batch norms into the convolutions before them, where nothing else uses the convolution's output.

In: a graph module. Out: the same module with fewer ops. Parameters shared with other modules are not modified.
"""

from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn.utils.fusion import fuse_conv_bn_weights

from unitscope.graph.ops import op_name


def fold_batch_norms(module: GraphModule) -> GraphModule:
    """Fold each batch norm whose convolution has no other user; values change by rounding errors only."""
    for norm in list(module.graph.nodes):
        if op_name(norm) == "native_batch_norm_legit_no_training" and _foldable(norm):
            _fold(module, norm)
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _foldable(norm: Node) -> bool:
    convolution = norm.args[0]
    assert isinstance(convolution, Node)
    values = [user for user in norm.users if user.args[1:] == (0,)]
    return (
        op_name(convolution) == "conv2d"
        and len(convolution.users) == 1
        and len(values) == len(norm.users) == 1
        and all(argument is None or _is_stored(argument) for argument in (*convolution.args[1:3], *norm.args[1:5]))
    )


def _is_stored(argument: object) -> bool:
    return isinstance(argument, Node) and argument.op == "get_attr"


def _fold(module: GraphModule, norm: Node) -> None:
    convolution, (value,) = norm.args[0], norm.users
    assert isinstance(convolution, Node)
    weight, bias = convolution.args[1], convolution.args[2] if len(convolution.args) > 2 else None
    gamma, beta, mean, variance = (stored(module, argument) for argument in norm.args[1:5])
    assert mean is not None
    assert variance is not None
    epsilon = float(norm.args[6])  # type: ignore[arg-type]
    kernels = stored(module, weight)
    assert kernels is not None
    folded = fuse_conv_bn_weights(kernels, stored(module, bias), mean, variance, epsilon, gamma, beta)
    with module.graph.inserting_before(convolution):
        names = [
            _add(module, convolution.name + suffix, tensor) for suffix, tensor in zip(("_w", "_b"), folded, strict=True)
        ]
        fused = module.graph.call_function(
            convolution.target,  # type: ignore[arg-type]
            (convolution.args[0], *names, *convolution.args[3:]),
            dict(convolution.kwargs),
        )
    fused.meta = dict(value.meta)
    value.replace_all_uses_with(fused)
    for node in (value, norm, convolution):
        module.graph.erase_node(node)


def stored(module: GraphModule, argument: object) -> Tensor | None:
    """Return the module's tensor that a ``get_attr`` node reads; None if the argument is not a node."""
    if not isinstance(argument, Node):
        return None
    owner, _, name = str(argument.target).rpartition(".")
    tensor = getattr(module.get_submodule(owner), name)
    assert isinstance(tensor, Tensor)
    return tensor.detach()


def _add(module: GraphModule, name: str, tensor: Tensor) -> Node:
    module.register_buffer(f"folded_{name}", nn.Buffer(tensor.detach()))
    return module.graph.get_attr(f"folded_{name}")
