"""Names and kinds of tensor operations.

In: nodes of an exported graph. Out: short op names (``relu``) and kinds of layer (``activation``).
"""

import operator

import torch
from torch.fx import Node

from unitscope.units import ACTIVATION, Layer

CONVOLUTION, LINEAR, NORM, POOL = "convolution", "linear", "norm", "pool"
ADDED = "added"
"""Key in the meta of a node that is no op of the network."""

_NAMES_BY_KIND = {
    ACTIVATION: (
        "relu relu6 hardtanh silu gelu hardswish leaky_relu elu selu celu mish prelu softplus softsign "
        "tanh sigmoid hardsigmoid log_sigmoid threshold rrelu rrelu_with_noise hardshrink softshrink tanhshrink"
    ),
    CONVOLUTION: "conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d",
    LINEAR: "linear addmm",
    NORM: (
        "native_batch_norm_legit_no_training native_batch_norm_legit native_batch_norm batch_norm layer_norm "
        "native_layer_norm "
        "group_norm native_group_norm instance_norm rms_norm fused_rms_norm"
    ),
    POOL: (
        "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices avg_pool1d avg_pool2d avg_pool3d "
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d mean amax"
    ),
}
_KINDS = {name: kind for kind, names in _NAMES_BY_KIND.items() for name in names.split()} | {
    name: name for name in ("add", "sub", "mul", "div", "cat")
}
# The call of a leaf module can contain several ops; the first of these kinds is the kind of the call.
SIGNIFICANT = (CONVOLUTION, LINEAR, NORM, ACTIVATION, POOL)


def op_name(node: Node) -> str:
    """Return an op's short name: ``relu`` for ``aten.relu.default``; empty if the node is not a call."""
    if node.op != "call_function":
        return ""
    if node.target is operator.getitem:
        return "getitem"
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet)).lstrip("_").removesuffix("_kernel")


def kind_of(node: Node) -> str:
    """Return the kind of layer of an op; empty for ops such as ``view`` or ``getitem``, which are not layers."""
    return _KINDS.get(op_name(node), "")


def is_activation(node: Node) -> bool:
    """Return whether an op is an activation by its name, such as ``relu``."""
    return _KINDS.get(op_name(node)) == ACTIVATION


def is_pointwise(node: Node) -> bool:
    """Return whether an op works element by element."""
    tags = getattr(node.target, "tags", ())
    return torch.Tag.pointwise in tags or is_activation(node)


def module_call(node: Node) -> tuple[str, str]:
    """Return the key of the innermost module call that a node belongs to, and the module's path."""
    stack = node.meta.get("nn_module_stack") or {}
    for key, (path, _) in reversed(stack.items()):
        if not key.startswith("_empty_nn_module_stack"):
            return key, path
    return "", ""


def mask_shape(layer: Layer) -> list[int]:
    """Return the shape in which a mask ``[unit]`` broadcasts over a layer's output ``[image, …]``."""
    shape = [1] * (len(layer.shape) + 1)
    shape[layer.unit_axis] = layer.units
    return shape
