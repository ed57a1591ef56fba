"""How far an edit of one layer's units may slide down a graph without changing what comes out.

In: a node and where its units lie. Out: the chain of ops behind it that treat each unit by itself.
Removing a unit in front of such an op (a pool, a ReLU, a batch norm) is the same as replacing it behind, by what the op
makes of the removed map: so the edit is made where the value is smallest, often a vector behind the last pooling.
"""

from torch.fx import Node

from unitscope.graph.axes import Axes, shape_of
from unitscope.graph.ops import is_pointwise, op_name

_EACH_UNIT_ALONE = frozenset(
    {
        *("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "adaptive_max_pool2d"),
        *("avg_pool1d", "avg_pool2d", "avg_pool3d"),
        *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"),
        *("mean", "amax", "view", "reshape", "flatten", "squeeze", "unsqueeze", "permute", "transpose"),
        *("native_batch_norm_legit_no_training", "batch_norm", "getitem"),
        *("dropout", "clone", "contiguous", "alias", "detach", "to", "to_copy"),
    }
)


def commuting_ops(node: Node, axes: Axes) -> tuple[Node, ...]:
    """Return the ops behind a layer's node through which an edit of its units may slide, nearest first."""
    chain: list[Node] = []
    units, images = shape_of(node)[axes[node]], str(shape_of(node)[0])
    at = node
    while len(at.users) == 1:
        (user,) = at.users
        if not _alone(user, at) or user not in axes:
            break
        shape = shape_of(user)
        if axes[user] == 0 or shape[axes[user]] != units or str(shape[0]) != images:
            break
        chain.append(user)
        at = user
    while chain and isinstance(chain[-1].meta.get("val"), (tuple, list)):
        chain.pop()  # an op of several values: the one that matters could not be followed
    return tuple(chain)


def _alone(op: Node, source: Node) -> bool:
    """Tell whether an op makes each unit of its result of that unit of the source only (and of weights)."""
    others = [node for node in op.all_input_nodes if node is not source and node.op != "get_attr"]
    if any(_is_tensor(node) for node in others):
        return False
    if op_name(op) in _EACH_UNIT_ALONE:
        return True
    return is_pointwise(op) and op.all_input_nodes == [source]


def _is_tensor(node: Node) -> bool:
    return hasattr(node.meta.get("val"), "shape")
