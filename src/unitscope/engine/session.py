"""`Session`: a network on one device, exported once. Everything that runs images through a network uses it.

In: a network and a device. Out: logits, responses, activation maps and gradients of images, optionally with masked
units; the network split at a layer. Two graphs are made on first use: a fast one (folded and fused, inference only) and
the plain, differentiable one. Knows nothing of atlases or figures.
"""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from unitscope.engine.batch_sizes import batch_size_for
from unitscope.engine.devices import place
from unitscope.engine.executor import Executor, NormalizedTaps, make_executor, optimize_for_eager
from unitscope.engine.fast_graph import FastGraph
from unitscope.engine.loader import Batch, batches
from unitscope.engine.options import Engine, Precision
from unitscope.engine.outputs import Outputs
from unitscope.engine.precision import at_precision
from unitscope.engine.targets import Target, find_target
from unitscope.errors import UnitscopeError
from unitscope.graph import Trace, device_of, trace_of
from unitscope.graph.split import SplitGraph, SplitNetwork, split_at
from unitscope.graph.trace import ExportedTrace
from unitscope.images import ImageSource
from unitscope.networks import Network
from unitscope.units import Layer, LayerTable

MAX_CELLS = 2**26
"""Maximum number of cells in all maps of a batch: 256 MB in float32."""
_CACHED_TAPS = 8


class Session:
    """A network on one device, exported once.

    The given network is not modified or moved. Threads can share a session; each batch acquires its lock.

    Args:
        network: from `unitscope.load`.
        device: ``cpu``, ``cuda``, ``cuda:1``, …; None leaves the network where it is.
        precision: ``float32``, ``tf32`` (NVIDIA GPUs) or ``bf16``.
        batch_size: number of images run at once; None uses 16 on a CPU, as many as fit on a GPU, and 1 for networks
            under hooks.

    Raises:
        NetworkError: if there is no such device.
    """

    def __init__(
        self,
        network: Network,
        *,
        device: str | None = None,
        precision: Precision = "float32",
        batch_size: int | None = None,
    ) -> None:
        self.network = network if device is None else place(network, device)
        self.device = device_of(self.network.module)
        self.precision: Precision = precision
        self._batch_size = batch_size
        self._lock = threading.RLock()
        self._taps = lru_cache(maxsize=_CACHED_TAPS)(self._normalized)

    @classmethod
    def of(cls, network: "Network | Session", *, device: str | None = None, batch_size: int | None = None) -> "Session":
        """Return a given session unchanged, or a new session of a network."""
        return network if isinstance(network, Session) else cls(network, device=device, batch_size=batch_size)

    @cached_property
    def trace(self) -> Trace:
        """The network as a graph of calls, exported on first use.

        Raises:
            NetworkError: if the network does not run on an input of its preprocessing's size.
        """
        with self._lock, torch.autocast(self.device.type, enabled=False):
            return trace_of(self.network)

    @property
    def layers(self) -> LayerTable:
        """All calls of the network that can be tapped, in execution order."""
        return self.trace.layers

    @property
    def batch_size(self) -> int:
        """Number of images run at once; halved after a batch has run out of memory."""
        if self.trace.fallback_reason:
            return 1  # the control flow of a network that can't be exported may depend on the values in the batch
        if self._batch_size is None:
            with self.inference():
                self._batch_size = batch_size_for(
                    self.network, self.trace, self.layers.activations, precision=self.precision
                )
        return self._batch_size

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Hold the lock, and run without gradients at the session's precision, regardless of the caller's autocast."""
        with self._lock, torch.inference_mode(), at_precision(self.precision, self.device):
            yield

    def run(
        self,
        prepared: Tensor,
        *,
        responses: Sequence[Layer] = (),
        maps: Sequence[Layer] = (),
        masks: Mapping[Layer, Tensor] | None = None,
    ) -> Outputs:
        """Return the network's outputs for prepared images.

        Args:
            prepared: from `Preprocessing.prepare`, ``[image, 3, H, W]``.
            responses: layers whose responses are returned.
            maps: layers whose outputs are returned.
            masks: masks by layer, float ``[unit]``: 0 sets a unit's map to zero, 1 keeps it.

        Raises:
            UnitscopeError: if a single image does not fit into the device's memory.
        """
        masks = masks or {}
        module = self._taps(tuple(responses), tuple(maps), tuple(masks))
        values = [mask.to(self.device) for mask in masks.values()]
        parts = []
        while len(prepared):
            count = min(len(prepared), self.batch_size)
            try:
                parts.append(self._run(module, prepared[:count], values))
            except torch.OutOfMemoryError as problem:
                self._halve(count, problem)
                continue
            prepared = prepared[count:]
        return Outputs.joined(parts)

    def stream(
        self,
        images: ImageSource,
        rows: range | None = None,
        *,
        responses: Sequence[Layer] = (),
        maps: Sequence[Layer] = (),
        masks: Mapping[Layer, Tensor] | None = None,
        gradients: Target | None = None,
    ) -> Iterator[tuple[Batch, Outputs | None]]:
        """Yield batches of images in order, each with the outputs of its readable images, or None if there are none.

        Args:
            images: the images; a file that can't be read becomes an error in its batch.
            rows: row numbers of the images; None for all.
            responses: layers whose responses are returned.
            maps: layers whose outputs are returned; a batch has at most `MAX_CELLS` of their cells.
            masks: as in `run`.
            gradients: a class or unit whose gradients are returned; see `gradients`.
        """
        every = (0, range(len(images)) if rows is None else rows)
        cells = sum(math.prod(layer.shape) for layer in maps)
        size = min(self.batch_size, max(1, MAX_CELLS // cells)) if cells else self.batch_size
        phi = self.network.preprocessing
        for batch in batches(images, [every], phi=phi, batch_size=size, device=self.device):
            if not batch.good:
                yield batch, None
                continue
            prepared = batch.tensor()
            outputs = self.run(prepared, responses=responses, maps=maps, masks=masks)
            if gradients is not None:
                outputs = replace(outputs, gradients=self.gradients(prepared, gradients, masks=masks))
            yield batch, outputs

    def executor(
        self,
        layers: Sequence[Layer],
        *,
        maps: Sequence[Layer] = (),
        engine: Engine = "eager",
        precision: Precision | None = None,
        batch_size: int | None = None,
    ) -> Executor:
        """Return an executor with a fixed batch size, so that an image's results don't depend on its batch."""
        precision = precision or self.precision
        size = 1 if self.trace.fallback_reason else batch_size or self.batch_size
        if engine == "eager" and precision == self.precision:
            run = self._taps(tuple(layers), tuple(maps), ())
            return Executor.on(self.device, run, batch_size=size, precision=precision)
        return make_executor(
            self.network, self.trace, layers, maps=maps, engine=engine, batch_size=size, precision=precision
        )

    def split(self, layer: Layer) -> SplitNetwork:
        """Return the network split at a layer, with both parts optimised.

        Raises:
            NetworkError: if the network returns no logits, or the layer has no path to them.
        """
        halves = split_at(self.trace, layer)
        if not isinstance(halves, SplitGraph):
            return halves
        before, after = (
            optimize_for_eager(half, self.device, self.precision) for half in (halves.before, halves.after)
        )
        return SplitGraph(before, after, halves.commuting, halves.layer, halves.axis)

    def differentiable(
        self, *, responses: Sequence[Layer] = (), maps: Sequence[Layer] = (), masks: Sequence[Layer] = ()
    ) -> nn.Module:
        """Return the plain graph with taps, which autograd can differentiate; see `Trace.tapped`."""
        return self.trace.tapped(responses=responses, maps=maps, masks=masks)

    def gradients(self, prepared: Tensor, target: Target, *, masks: Mapping[Layer, Tensor] | None = None) -> Tensor:
        """Return the gradient of a class's logit, or of a unit's response, with respect to the network's input.

        Args:
            prepared: from `Preprocessing.prepare`, ``[image, 3, H, W]``.
            target: number of a class, or a unit.
            masks: as in `run`.

        Returns:
            float32 ``[image, 3, H, W]``, with respect to the normalized input (Simonyan et al., 2014).

        Raises:
            LayerError: if there is no such unit.
            NetworkError: if the network has no such class.
        """
        masks = masks or {}
        found = find_target(target, self.layers, self.network.reference)
        module = self.differentiable(responses=found.layers, masks=tuple(masks))
        values, normalize = [mask.to(self.device) for mask in masks.values()], self.network.preprocessing.normalize
        parts = []
        with self._lock, at_precision("float32", self.device), torch.enable_grad():
            for some in prepared.split(self.batch_size):
                x = normalize(some.to(self.device)).detach().requires_grad_()
                parts.append(torch.autograd.grad(found.value(module(x, *values)).sum(), x)[0])
        return torch.cat(parts)

    @cached_property
    def _fast(self) -> FastGraph | None:
        """The fast graph; None for networks under hooks."""
        trace = self.trace
        return FastGraph.of(trace, self.device, self.precision) if isinstance(trace, ExportedTrace) else None

    def _tapped(self, responses: Sequence[Layer], maps: Sequence[Layer], masks: Sequence[Layer] = ()) -> nn.Module:
        with self._lock:
            source = self._fast or self.trace
            return source.tapped(responses=responses, maps=maps, masks=masks)

    def _normalized(
        self, responses: tuple[Layer, ...], maps: tuple[Layer, ...], masks: tuple[Layer, ...]
    ) -> NormalizedTaps:
        return NormalizedTaps(self.network, self._tapped(responses, maps, masks))

    def _run(self, module: NormalizedTaps, prepared: Tensor, masks: Sequence[Tensor]) -> Outputs:
        with self.inference():
            logits, responses, *maps = module(prepared.to(self.device), *masks)
            known = np.empty((len(prepared), 0), np.float32) if responses is None else responses.cpu().numpy()
            return Outputs(None if logits is None else logits.float().cpu().numpy(), known, tuple(maps))

    def _halve(self, count: int, problem: torch.OutOfMemoryError) -> None:
        if count == 1:
            raise UnitscopeError(
                f"'{self.device}' has too little memory for one image; free some, or use --device cpu"
            ) from problem
        self._batch_size = max(1, count // 2)
        torch.cuda.empty_cache()
