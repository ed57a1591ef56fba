"""Find activations that are written as formulas, such as ``x.clamp(min=0)`` or ``x * relu6(x + 3) / 6``.

In: an exported graph. Out: the node of each formula's result, and the nodes inside formulas, which are no layers.
A formula computes each value from the value at the same place in one tensor, with constants and parameters.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Graph, Node

from unitscope.graph.ops import is_activation, is_pointwise, module_call, op_name

_AFFINE = {"add", "sub", "rsub", "mul", "div", "neg", "to", "to_copy", "clone", "alias", "contiguous", "detach"}
_CONSTANT = {"zeros_like", "ones_like", "full_like", "zeros", "ones", "full", "scalar_tensor", "lift_fresh_copy"}
_EXTREME = {"maximum", "minimum", "max", "min", "fmax", "fmin"}
_JOINING = {"mul", "div", "where", "masked_fill", "add", "sub", *_EXTREME}
_MAX_OPS = 24
_CLAMPS = ("clamp", "clamp_min", "clamp_max")
_ROUNDING = ("round", "floor", "ceil", "trunc")
_GUARD, _OVERFLOW = 1e-3, 1e3  # `clamp(min=1e-6)` guards a division, `clamp(-65504, 65504)` half precision


@dataclass(frozen=True, eq=False)
class Formulas:
    """Activations that are written as formulas: their results, and all other nodes inside them."""

    results: set[Node] = field(default_factory=set)
    inner: set[Node] = field(default_factory=set)

    @classmethod
    def of(cls, graph: Graph) -> "Formulas":
        """Return the formulas in a graph."""
        results: set[Node] = set()
        inner: set[Node] = set()
        for node in graph.nodes:
            parts = _formula(node) if node.op == "call_function" and is_pointwise(node) else None
            if parts is not None:
                result = _scaled(node) if op_name(node) in ("mul", "div", "add", "sub") else node
                results.add(result)
                inner |= _private(parts | _between(result, node), result)
        return cls(results - inner, inner)


def _formula(node: Node) -> set[Node] | None:
    """Return the nodes between a formula's source and its result, which is this node; None if it is no formula."""
    name, given = op_name(node), _given(node)
    if len(given) == 1:
        return _of_one(node, name, given[0])
    if name not in _JOINING or not given:
        return None
    source, parts = _common_source(given)
    if source is None:
        return None
    bent = [part for part in parts if op_name(part) not in _AFFINE or _formula_of_two(part)]
    if name in ("add", "sub") and source in given and any(map(is_activation, parts)):
        return None  # a residual sum
    if bent and all(op_name(part) in _ROUNDING for part in bent):
        return None  # quantization
    return parts if bent or name in _EXTREME else None


def _of_one(node: Node, name: str, given: Node) -> set[Node] | None:
    """Return the inner nodes of a formula whose last op has one tensor, None if it is no formula."""
    if name in _CLAMPS or (name in _EXTREME and len(node.all_input_nodes) > 1):
        inner = op_name(given) in (*_CLAMPS, *_EXTREME) and len(_given(given)) == 1 and len(given.users) == 1
        return None if name in _CLAMPS and _is_guard(node, given) else {given} if inner else set()
    if name == "sin":
        return set()
    squares = name == "square" or (name == "pow" and node.args[1:] == (2,)) or (name == "mul" and len(node.args) == 2)
    if squares and is_activation(given) and node.args.count(given) == 1 + (name == "mul") and len(given.users) == 1:
        return {given}
    return _softplus_or_sigmoid(node, name, given)


def _is_guard(node: Node, given: Node) -> bool:
    """Return whether a clamp only keeps values from zero or from overflow, or limits rounded values."""
    bounds = [value for value in node.args[1:] if isinstance(value, (int, float))]
    if op_name(given) in _ROUNDING:
        return True
    if len(bounds) == 2 and op_name(node) == "clamp":
        return bounds[0] <= -_OVERFLOW and bounds[1] >= _OVERFLOW
    return op_name(node) != "clamp_max" and len(bounds) == 1 and 0 < bounds[0] <= _GUARD


def _softplus_or_sigmoid(node: Node, name: str, given: Node) -> set[Node] | None:
    """Return the inner nodes of ``log(1 + exp(x))``, ``log1p(exp(x))`` or ``1 / (1 + exp(-x))``."""
    plus = given if op_name(given) == "add" and _given(given)[:1] and given.args[1:] == (1,) else None
    if name in ("log", "reciprocal") and plus is not None:
        exponential = _given(plus)[0]
    elif name == "log1p":
        exponential = given
    else:
        return None
    return {*([plus] if plus else []), exponential} if op_name(exponential) == "exp" else None


def _formula_of_two(node: Node) -> bool:
    return op_name(node) in ("mul", "div") and len(_given(node)) > 1


def _common_source(given: list[Node]) -> tuple[Node | None, set[Node]]:
    """Return the closest node from which all given ones are computed place by place, and the nodes in between."""
    for start in given:
        source: Node | None = start
        while source is not None:
            found = [_path(node, source, _MAX_OPS) for node in given]
            if all(path is not None for path in found):
                return source, set().union(*(path for path in found if path is not None))
            before = _given(source) if _elementwise(source) else []
            source = before[0] if len(before) == 1 else _common_source(before)[0] if before else None
    return None, set()


def _path(node: Node, source: Node, depth: int) -> set[Node] | None:
    """Return the nodes from a source to a node, without the source; None if the node depends on anything else."""
    if node is source:
        return set()
    given = _given(node)
    if not depth or node.op != "call_function" or not _elementwise(node) or not given:
        return None
    paths = [_path(before, source, depth - 1) for before in given]
    return {node}.union(*(path for path in paths if path is not None)) if None not in paths else None


def _given(node: Node) -> list[Node]:
    """Return the tensors that an op is given, each once, without constants and parameters."""
    return [before for before in node.all_input_nodes if _varies(before)]


def _varies(node: Node) -> bool:
    """Return whether a node depends on the images, as far as elementwise ops tell."""
    if node.op == "get_attr" or op_name(node) in _CONSTANT or isinstance(node.meta.get("val"), (int, torch.SymInt)):
        return False
    return any(map(_varies, node.all_input_nodes)) if _elementwise(node) else True


def _elementwise(node: Node) -> bool:
    return is_pointwise(node) or op_name(node) in _AFFINE


def _scaled(node: Node) -> Node:
    """Return the product of a result with numbers that follow it within the same call of a module."""
    while len(node.users) == 1:
        (user,) = node.users
        numbers: list[Any] = [value for value in user.args if not isinstance(value, Node)]
        if op_name(user) not in ("mul", "div") or len(numbers) != 1 or module_call(user) != module_call(node):
            break
        node = user
    return node


def _between(result: Node, node: Node) -> set[Node]:
    between = set()
    while result is not node:
        (result,) = _given(result)
        between.add(result)
    return between


def _private(parts: set[Node], result: Node) -> set[Node]:
    """Return the nodes that nothing outside the formula uses."""
    return {part for part in parts if all(user in parts or user is result for user in _real_users(part))}


def _real_users(node: Node) -> Iterator[Node]:
    yield from (user for user in node.users if user.users or user.op == "output")
