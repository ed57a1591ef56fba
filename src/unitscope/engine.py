"""Runs a tapped network fast: memory format, folding, compilation, the allocator.

In: a network, its trace, the layers to tap. Out: a `Runner` from batches of prepared images to logits and responses.
Knows nothing of files; that the answers do not depend on how fast they come is its first duty.
"""

import copy
import ctypes
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule

from unitscope.errors import UnitscopeError
from unitscope.graph import Trace, device_of
from unitscope.graph.fold import fold_batch_norms
from unitscope.networks import Network
from unitscope.units import Layer

Engine = Literal["eager", "compile"]
ENGINES = ("auto", "eager", "compile")
# Compiling takes half a minute and saves a few per cent over this engine's own eager graph (docs/speed.md).
IMAGES_WORTH_COMPILING = 10_000

# Logits, responses, and the maps that were asked for.
Run = Callable[[Tensor], tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]]


@dataclass(frozen=True, eq=False)
class Runner:
    """Runs batches of one size, so that an image's answer does not depend on how many came with it."""

    run: Run
    batch_size: int
    device: torch.device

    def __call__(self, batch: Tensor) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
        """Return logits ``[image, class]`` (None for what is no classifier) and responses ``[image, unit]``."""
        logits, responses, _ = self.with_maps(batch)
        return logits, responses

    def with_maps(self, batch: Tensor) -> tuple[NDArray[np.float32] | None, NDArray[np.float32], list[Tensor]]:
        """Return logits, responses, and the maps asked for, each ``[image, …]`` as its layer gives it."""
        count = len(batch)
        with torch.inference_mode():
            logits, responses, *maps = self.run(self._filled(batch).to(self.device, non_blocking=True))
        told = None if logits is None else _numpy(logits[:count].float())
        return told, _numpy(responses[:count]), [map_[:count] for map_ in maps]

    def _filled(self, batch: Tensor) -> Tensor:
        missing = self.batch_size - len(batch)
        return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch


def choose_engine(engine: str, *, images: int, trace: Trace) -> Engine:
    """Return the engine that ``auto`` stands for, or the one named, if it can be had.

    Raises:
        UnitscopeError: if the name is unknown, or compiling was asked for and can't be done.
    """
    if engine not in ENGINES:
        raise UnitscopeError(f"no engine '{engine}'; choose one of {', '.join(ENGINES)}")
    if engine == "compile" and trace.loss:
        raise UnitscopeError(f"nothing to compile: {trace.loss}; use --engine eager")
    if engine == "compile" and not _compiler():
        raise UnitscopeError(
            "--engine compile needs a C++ compiler (g++ or clang++); install one or use --engine eager"
        )
    if engine == "auto":
        worth = images >= IMAGES_WORTH_COMPILING and not trace.loss and _compiler()
        return "compile" if worth else "eager"
    return "compile" if engine == "compile" else "eager"


def runner(
    network: Network,
    trace: Trace,
    layers: Sequence[Layer],
    *,
    maps: Sequence[Layer] = (),
    engine: Engine,
    batch_size: int,
) -> Runner:
    """Return what runs batches of prepared images (see `Preprocessing.prepare`) through the tapped network."""
    taps = trace.with_responses(layers, maps=maps)
    if engine == "eager" and isinstance(taps, GraphModule):
        taps = channels_last(fold_batch_norms(taps))
    run: Run = _Whole(network, taps)
    if engine == "compile":
        run = torch.compile(run, dynamic=False, fullgraph=True, options={"freezing": True})
    return Runner(run, batch_size, device_of(network.module))


def keep_memory() -> None:
    """Tell glibc to keep the memory that one batch frees for the next; elsewhere do nothing.

    Large tensors are otherwise returned to the system and their pages zeroed again for each layer of each batch,
    which costs a quarter of a forward pass.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


class _Whole(nn.Module):
    """φ's values and the tapped graph in one, so that they are compiled together."""

    def __init__(self, network: Network, taps: nn.Module) -> None:
        super().__init__()
        self.normalize = network.preprocessing.normalize
        self.taps = taps

    def forward(self, batch: Tensor) -> tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]:
        x = self.normalize(batch).contiguous(memory_format=torch.channels_last)
        logits, responses, *maps = self.taps(x)
        return logits, responses, *maps


def channels_last(module: GraphModule) -> GraphModule:
    """Return a graph with convolution weights in channels_last, as copies: the network's own stay as they are."""
    own = copy.copy(module)
    own._parameters, own._buffers = dict(module._parameters), dict(module._buffers)
    for tensors in (own._parameters, own._buffers):
        for name, tensor in tensors.items():
            if tensor is not None and tensor.ndim == 4:
                fresh = tensor.detach().contiguous(memory_format=torch.channels_last)
                tensors[name] = nn.Parameter(fresh, requires_grad=False)
    return own


def _compiler() -> bool:
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.cpu().numpy()  # type: ignore[no-any-return]
