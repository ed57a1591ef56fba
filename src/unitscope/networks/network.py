"""The network: a module with its preprocessing, its class names and a fingerprint of its weights.

In: what an origin has loaded. Out: `Network`, and `eval_mode` for modules that are not ours to change.
Knows nothing of where networks come from or of what is done with them.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from unitscope.networks.custom_preprocessing import CustomPreprocessing
from unitscope.networks.float32_precision import float32_matmul_precision
from unitscope.networks.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class Network:
    """A module and what it takes to use it.

    A module that was loaded by reference is in evaluation mode and its parameters need no gradients. A module
    that the user gave is left as found, so run it under `eval_mode`.

    Attributes:
        reference: what it is called, for example ``torchvision:resnet50``; the class name of a given module.
        module: from a float32 batch ``[B, 3, H, W]`` to logits ``[B, class]``.
        preprocessing: φ, from images to that batch.
        classes: class names in the order of the logits; may be empty.
        wnids: ImageNet's wnids in the same order, where the classes are ImageNet's; else empty.
        weights: what the weights are: a file, ``IMAGENET1K_V2``, ``random, seed 0``, ``given module``.
        source: plain arguments with which ``load(**source)`` loads it again; empty where that can't be done.
        trained: whether the weights come of training, as far as is known: not where they were asked to be random, or a
            card says so.
    """

    reference: str
    module: nn.Module
    preprocessing: Preprocessing | CustomPreprocessing
    classes: tuple[str, ...] = ()
    wnids: tuple[str, ...] = ()
    weights: str = "given module"
    source: dict[str, Any] = field(default_factory=dict)
    trained: bool = True

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of all weights and buffers: names, types, shapes and values, as hex digits."""
        digest = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            if isinstance(value, Tensor):
                digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
                digest.update(_memory(value))
        return digest.hexdigest()

    @cached_property
    def parameter_count(self) -> int:
        """How many numbers the parameters hold."""
        return sum(parameter.numel() for parameter in self.module.parameters())


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[nn.Module]:
    """Give the module in evaluation mode, and afterwards each submodule its own mode back.

    On an NVIDIA GPU float32 is multiplied as float32, whatever the caller has set.
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


def _memory(tensor: Tensor) -> memoryview:
    """A CPU tensor's own bytes, not copied if they lie in order."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
