"""Fingerprint a forward pass: two networks with the same weights can compute different values.

In: an exported graph, or a module under hooks. Out: a SHA-256 of its ops, their order and their constants.
"""

import hashlib
import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node


def graph_fingerprint(graph_module: GraphModule, module: nn.Module) -> str:
    """Return the SHA-256 of a graph's ops with their arguments, as hex digits.

    Weights enter by name. Tensors that are no weights, such as constants and buffers that are not saved, enter by
    value. Devices are left out, so that a CPU and a GPU have the same fingerprint.
    """
    digest, weights = hashlib.sha256(), module.state_dict()
    numbers = {node: number for number, node in enumerate(graph_module.graph.nodes)}
    for node in graph_module.graph.nodes:
        given = [_plain(value, numbers) for value in node.args]
        named = sorted((key, _plain(value, numbers)) for key, value in node.kwargs.items() if key != "device")
        digest.update(f"{node.op} {node.target} {given} {named}\n".encode())
        if node.op == "get_attr" and node.target not in weights:
            value = _attribute(graph_module, str(node.target))
            if isinstance(value, Tensor):
                digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def module_fingerprint(module: nn.Module) -> str:
    """Return the SHA-256 of a module's structure and of the code of its classes, except PyTorch's, as hex digits."""
    digest = hashlib.sha256(repr(module).encode())
    classes = {base for part in module.modules() for base in type(part).__mro__}
    for each in sorted(classes, key=lambda base: (base.__module__, base.__qualname__)):
        if not each.__module__.startswith(("torch.", "builtins")):
            digest.update(_code_of(each).encode())
    return digest.hexdigest()


def _code_of(each: type) -> str:
    try:
        return inspect.getsource(each)
    except (OSError, TypeError):  # its file is gone, or it was typed in
        functions = [value for value in vars(each).values() if inspect.isfunction(value)]
        return "".join(f"{one.__name__} {one.__code__.co_code.hex()} {one.__code__.co_consts}" for one in functions)


def _plain(value: Any, numbers: dict[Node, int]) -> str:
    if isinstance(value, Node):
        return f"%{numbers[value]}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_plain(item, numbers) for item in value)}]"
    return "" if isinstance(value, torch.device) else str(value)


def _attribute(graph_module: GraphModule, target: str) -> Any:
    value: Any = graph_module
    for name in target.split("."):
        value = getattr(value, name)
    return value
