"""Run batches through a tapped network: optimise its graph, and copy to and from the device asynchronously.

In: a network, its trace and the layers to tap. Out: an `Executor`.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule

from unitscope.engine.inductor import Run, compiled, register_order_op
from unitscope.engine.openvino import OpenVino
from unitscope.engine.options import Engine, Precision
from unitscope.engine.precision import at_precision
from unitscope.errors import UnitscopeError
from unitscope.graph import Trace, device_of
from unitscope.graph.exporting import running
from unitscope.graph.passes.fold_batch_norm import fold_batch_norms
from unitscope.graph.passes.fuse_conv import fuse_convolutions
from unitscope.graph.passes.tap_order import schedule_taps_first
from unitscope.networks import CustomPreprocessing, Network
from unitscope.units import Layer


@dataclass(frozen=True, slots=True, eq=False)
class BatchOutput:
    """The outputs of a batch, which may still be on their way from the device.

    ``peaks`` are empty, or the values and the places of the units' peaks, ``[image, unit]``.
    """

    logits: Tensor | None
    responses: Tensor
    arrived: torch.cuda.Event | None = None
    peaks: tuple[Tensor, ...] = ()

    def numpy(self) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
        """Wait for the outputs; return logits ``[image, class]`` (None without) and responses ``[image, unit]``."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return None if self.logits is None else self.logits.numpy(), self.responses.numpy()


@dataclass(frozen=True, eq=False)
class Executor:
    """Runs batches of a fixed size, so that an image's results don't depend on the number of images in its batch."""

    run: Run
    batch_size: int
    device: torch.device
    precision: Precision = "float32"
    copy_stream: torch.cuda.Stream | None = None  # on a GPU: copies a batch while the previous one runs

    @classmethod
    def on(cls, device: torch.device, run: Run, *, batch_size: int, precision: Precision) -> "Executor":
        """Return an executor on a device, with a stream for copies on a GPU."""
        copy_stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        return cls(run, batch_size, device, precision, copy_stream)

    def __call__(self, batch: Tensor) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
        """Return logits ``[image, class]`` (None if there are none) and responses ``[image, unit]``."""
        return self.start(batch).numpy()

    def start(self, batch: Tensor) -> BatchOutput:
        """Start a batch; a GPU computes and copies while the next batch is prepared."""
        parts = [None if value is None else value.to("cpu", non_blocking=True) for value in self._outputs(batch)]
        arrived = None
        if self.device.type == "cuda":
            arrived = torch.cuda.Event()
            arrived.record(torch.cuda.current_stream(self.device))
        logits, responses, *peaks = parts
        assert responses is not None
        return BatchOutput(logits, responses, arrived, tuple(peak for peak in peaks if peak is not None))

    def _outputs(self, batch: Tensor) -> tuple[Tensor | None, ...]:
        """Return logits, responses, and values and places of peaks if the network is tapped for them."""
        count = len(batch)
        try:
            batch = self._padded(batch)  # outside inference mode, whose tensors would trigger a recompilation
            with running(), torch.inference_mode(), at_precision(self.precision, self.device):
                logits, responses, *peaks = self.run(self._on_device(batch))
        except torch.OutOfMemoryError as problem:
            raise UnitscopeError(
                f"'{self.device}' runs out of memory with a batch size of {self.batch_size}; use a smaller --batch-size"
            ) from problem
        found = (None if logits is None else logits[:count].float(), responses[:count].float())
        return (*found, *(peak[:count] for peak in peaks))

    def _on_device(self, batch: Tensor) -> Tensor:
        if self.copy_stream is None or batch.device.type != "cpu":
            return batch.to(self.device)
        running = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.copy_stream):
            moved = batch.pin_memory().to(self.device, non_blocking=True)  # a copy from pageable memory would block
        running.wait_stream(self.copy_stream)
        moved.record_stream(running)  # otherwise its memory could be reused by the next copy too early
        return moved

    def _padded(self, batch: Tensor) -> Tensor:
        missing = self.batch_size - len(batch)
        return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])]) if missing else batch


def make_executor(
    network: Network,
    trace: Trace,
    layers: Sequence[Layer],
    *,
    engine: Engine,
    batch_size: int,
    precision: Precision = "float32",
    peaks: Sequence[Layer] = (),
) -> Executor:
    """Return an executor of the tapped network for batches of prepared images (see `Preprocessing.prepare`).

    ``peaks`` are the layers whose peaks are outputs too; see `Trace.tapped`.
    """
    device = device_of(network.module)
    with running():
        taps = trace.tapped(responses=layers, peaks=peaks)
        if engine == "eager":
            taps = optimize_for_eager(taps, device, precision)
        elif engine == "compile" and isinstance(taps, GraphModule):
            taps = _channels_last(fold_batch_norms(taps))
            if device.type == "cpu" and register_order_op():
                taps = schedule_taps_first(taps)
        whole = NormalizedTaps(network, taps)
    run: Run = whole
    if engine == "compile":
        run = compiled(whole)
    elif engine == "openvino":
        run = OpenVino(whole, example(network, batch_size))
    return Executor.on(device, run, batch_size=batch_size, precision=precision)


def example(network: Network, batch_size: int) -> Tensor:
    """Return a batch in the shape and dtype of prepared images, with standard or custom preprocessing."""
    phi = network.preprocessing
    custom = isinstance(phi, CustomPreprocessing)
    dtype, channels = (torch.float32, phi.channels) if custom else (torch.uint8, 3)
    return torch.zeros(batch_size, channels, *phi.size, dtype=dtype)


class NormalizedTaps(nn.Module):
    """The preprocessing's normalization and the tapped graph in one module, so that they are compiled together."""

    def __init__(self, network: Network, taps: nn.Module) -> None:
        super().__init__()
        self.normalize = network.preprocessing.normalizer(device_of(network.module))
        self.taps = taps

    def forward(self, batch: Tensor, *masks: Tensor) -> tuple[Tensor | None, Tensor, *tuple[Tensor, ...]]:
        """Return logits, responses and maps of prepared images; see `Trace.tapped`."""
        x = self.normalize(batch).contiguous(memory_format=torch.channels_last)
        logits, responses, *maps = self.taps(x, *masks)
        return logits, responses, *maps


def optimize_for_eager(module: nn.Module, device: torch.device, precision: Precision = "float32") -> nn.Module:
    """Return a graph optimised for eager execution; other modules are returned unchanged."""
    if not isinstance(module, GraphModule):
        return module
    module = _channels_last(fold_batch_norms(module))
    # Autocast does not handle oneDNN's fused ops.
    return fuse_convolutions(module) if device.type == "cpu" and precision == "float32" else module


def _channels_last(module: GraphModule) -> GraphModule:
    """Return a graph with copies of its convolution weights in channels_last; the network's own are not modified."""
    own = copy.copy(module)
    own._parameters, own._buffers = dict(module._parameters), dict(module._buffers)
    for tensors in (own._parameters, own._buffers):
        for name, tensor in tensors.items():
            if tensor is not None and tensor.ndim == 4:
                converted = tensor.detach().contiguous(memory_format=torch.channels_last)
                tensors[name] = nn.Parameter(converted, requires_grad=False)
    return own
