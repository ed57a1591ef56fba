"""Find what keeps a network's results from being had again: random ops, and ops over the images of a batch.

In: an exported graph, or the ops of a run. Out: notes for the user, and whether images have to run one at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.fx import Graph, Node
from torch.utils._python_dispatch import TorchDispatchMode

from unitscope.graph.axes import shape_of
from unitscope.graph.ops import op_name

_REDUCTIONS = {"mean", "sum", "var", "std", "var_mean", "amax", "amin", "logsumexp", "prod", "softmax", "log_softmax"}


def random_ops(graph: Graph) -> list[str]:
    """Return the names of ops that draw random numbers, each once."""
    calls = (node for node in graph.nodes if node.op == "call_function")
    return _unique(op_name(node) for node in calls if is_random(node.target, node.args, node.kwargs))


def is_random(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return whether a call of an op draws random numbers; attention and dropout can be told not to."""
    if torch.Tag.nondeterministic_seeded not in getattr(op, "tags", ()):
        return False
    schema = op._schema.arguments
    given = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    given |= {argument.name: value for argument, value in zip(schema, args, strict=False)} | dict(kwargs)
    switches = (given.get("dropout_p", True), given.get("train", True), given.get("training", True))
    return all(value is None or bool(value) for value in switches)


def ops_over_batch(graph: Graph) -> list[str]:
    """Return the names of ops whose result for an image depends on the others in its batch, each once."""
    (images, *_) = graph.find_nodes(op="placeholder")
    batch = str(shape_of(images)[0])
    return _unique(op_name(node) for node in graph.nodes if node.op == "call_function" and _mixes(node, batch))


def random_note(name: str, ops: Sequence[str]) -> str:
    """Return the note for a network with random ops."""
    return (
        f"{name} is random: its forward pass calls {', '.join(ops)}, so two runs over the same image differ, and "
        "`unitscope verify` finds other responses; make it deterministic, for example with dropout that follows eval()"
    )


def batch_note(name: str, ops: Sequence[str]) -> str:
    """Return the note for a network with ops over a batch."""
    return (
        f"{name} computes {', '.join(ops)} over all images of a batch, for example in a batch norm without running "
        "statistics, so images run one at a time"
    )


class OpRecorder(TorchDispatchMode):
    """Records which random ops run within the context."""

    def __init__(self) -> None:
        super().__init__()
        self.random: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_random(func, args, kwargs or {}):
            self.random = _unique([*self.random, func.overloadpacket.__name__])
        return func(*args, **(kwargs or {}))


def _mixes(node: Node, batch: str) -> bool:
    source = node.args[0] if node.args else None
    if not isinstance(source, Node) or str((shape_of(source) or [""])[0]) != batch:
        return False
    if op_name(node) in ("native_batch_norm_legit", "native_batch_norm", "batch_norm", "cudnn_batch_norm"):
        return True  # the op that uses running statistics has another name
    if op_name(node) not in _REDUCTIONS:
        return False
    axes: Any = node.args[1] if len(node.args) > 1 else None
    dims = len(shape_of(source))
    return axes is None or 0 in [axis % dims for axis in ([axes] if isinstance(axes, int) else axes or [0])]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
