"""`Network`: a module with its preprocessing, its class names and a fingerprint of its weights.

In: a module loaded by an origin, or given by the user. Out: `Network`, and `eval_mode`, which restores the module.
Independent of where networks come from and what they are used for.
"""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from unitscope.errors import NetworkError
from unitscope.networks.custom_preprocessing import CustomPreprocessing
from unitscope.networks.float32_precision import float32_matmul_precision
from unitscope.networks.preprocessing import Preprocessing
from unitscope.notebook import facts_html
from unitscope.plugins import network_name
from unitscope.text import count_noun


@dataclass(frozen=True, eq=False)
class Network:
    """A module with everything that is needed to run it.

    A module loaded by reference is in evaluation mode, and its parameters do not require gradients. A module given by
    the user is not modified, so run it under `eval_mode`.

    Attributes:
        reference: the network's name, for example ``torchvision:resnet50``; the class name of a given module.
        module: from a float32 batch ``[B, channel, H, W]`` to logits ``[B, class]``.
        preprocessing: φ, from images to that batch.
        classes: class names in the order of the logits; may be empty.
        wnids: ImageNet's wnids in the order of the logits; empty unless the classes are ImageNet's.
        weights: description of the weights: a file, ``IMAGENET1K_V2``, ``random, seed 0``, ``given module``.
        source: arguments with which ``load(**source)`` loads the network again; empty if that is not possible.
        trained: whether the weights are trained, as far as is known; False for random weights, or if a card says so.
        title: the name that a card gives; empty for that of the reference.
    """

    reference: str
    module: nn.Module
    preprocessing: Preprocessing | CustomPreprocessing
    classes: tuple[str, ...] = ()
    wnids: tuple[str, ...] = ()
    weights: str = "given module"
    source: dict[str, Any] = field(default_factory=dict)
    trained: bool = True
    title: str = ""

    def __repr__(self) -> str:
        return f"Network({self.name}: {self.weights}, {count_noun(self.parameter_count, 'parameter')})"

    def _repr_html_(self) -> str:
        first = ", ".join(self.classes[:3]) + ", …" * (len(self.classes) > 3)
        facts = [("weights", self.weights), ("parameters", f"{self.parameter_count:,}")]
        facts += [("classes", f"{len(self.classes):,}: {first}" if self.classes else "no names")]
        return facts_html(f"Network {self.name}", [*facts, ("input", self.preprocessing)])

    @property
    def name(self) -> str:
        """The network's name in titles and results: that of its card, or its reference without a folder."""
        return self.title or network_name(self.reference)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all parameters and buffers (names, dtypes, shapes and values), as hex digits."""
        digest = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            if isinstance(value, Tensor):
                digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
                digest.update(_memory(value))
        return digest.hexdigest()

    @cached_property
    def parameter_count(self) -> int:
        """Total number of values in the parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[nn.Module]:
    """Set a module to evaluation mode within the context, and restore the mode of each submodule afterwards.

    On NVIDIA GPUs, float32 is multiplied in full precision within the context, regardless of the caller's settings.
    """
    modes = [(part, part.training) for part in module.modules()]
    on_gpu = any(tensor.is_cuda for tensor in chain(module.parameters(), module.buffers()))
    module.eval()
    try:
        with float32_matmul_precision("ieee") if on_gpu else nullcontext():
            yield module
    finally:
        for part, training in modes:
            part.training = training


def in_float32(network: Network) -> Network:
    """Return a network with float32 weights: itself, or a copy if its weights are of another floating-point type."""
    types = {value.dtype for value in network.module.parameters() if value.is_floating_point()} - {torch.float32}
    if not types:
        return network
    names = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in types))
    module = copy.deepcopy(network.module).float()
    return replace(network, module=module, weights=f"{network.weights}, {names} run as float32")


def check_eager(module: nn.Module) -> None:
    """Check that a module's calls can be followed: that it is Python code, not a program that was exported from it.

    Raises:
        NetworkError: if it is a scripted, traced, frozen or exported module.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise NetworkError(
            f"{type(module).__name__} is a TorchScript module (scripted, traced or frozen), whose calls can't be "
            "followed; load the Python module and give it the file's state_dict()"
        )
    if isinstance(module, GraphModule) and hasattr(module, "_in_spec"):
        raise NetworkError(
            "the module was made by torch.export, which leaves no layers to follow; load the Python module that was "
            "exported and give it the state_dict()"
        )


def _memory(tensor: Tensor) -> memoryview:
    """Return a tensor's bytes, without a copy if it is contiguous and on the CPU."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
