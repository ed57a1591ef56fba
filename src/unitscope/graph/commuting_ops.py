"""Find the ops after a layer that commute with an edit of its units.

In: a node and the unit axes of its graph. Out: the chain of following ops that treat each unit separately.
Removing a unit before such an op (a pooling, a ReLU, a batch norm) equals replacing it after the op by the op's output
for the removed map. So the edit can be made where the value is smallest, often on a vector after the last pooling.
"""

from torch.fx import Node

from unitscope.graph.axes import Axes, shape_of
from unitscope.graph.ops import is_pointwise, op_name

_UNITWISE_OPS = frozenset(
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
    """Return the chain of ops after a layer's node that commute with an edit of its units, nearest first."""
    chain: list[Node] = []
    units, images = shape_of(node)[axes[node]], str(shape_of(node)[0])
    last = node
    while len(last.users) == 1:
        (user,) = last.users
        if not _is_unitwise(user, last) or user not in axes:
            break
        shape = shape_of(user)
        if axes[user] == 0 or shape[axes[user]] != units or str(shape[0]) != images:
            break
        chain.append(user)
        last = user
    while chain and isinstance(chain[-1].meta.get("val"), (tuple, list)):
        chain.pop()  # the chain can't end at an op that returns several values
    return tuple(chain)


def _is_unitwise(op: Node, source: Node) -> bool:
    """Return whether each unit of an op's result depends only on the same unit of the source (and on weights)."""
    others = [node for node in op.all_input_nodes if node is not source and node.op != "get_attr"]
    if any(_is_tensor(node) for node in others):
        return False
    if op_name(op) in _UNITWISE_OPS:
        return True
    return is_pointwise(op) and op.all_input_nodes == [source]


def _is_tensor(node: Node) -> bool:
    return hasattr(node.meta.get("val"), "shape")
