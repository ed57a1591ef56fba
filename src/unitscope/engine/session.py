"""`Session`: a network on one device, exported once. Everything that runs images through a network uses it.

In: a network and a device. Out: logits, responses, activation maps and gradients of images, optionally with masked
units; the network split at a layer. `NetworkGraphs` makes the graphs on first use. Independent of atlases and figures.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from unitscope.engine.batch_sizes import batch_size_for, none_if_out_of_memory, out_of_memory_error
from unitscope.engine.devices import check_device, to_device
from unitscope.engine.executor import Executor, NormalizedTaps, make_executor, optimize_for_eager
from unitscope.engine.loader import MAX_WAIT, Batch, Retries, batches
from unitscope.engine.network_graphs import NetworkGraphs
from unitscope.engine.options import Engine, Precision, choose_precision
from unitscope.engine.outputs import Outputs
from unitscope.engine.precision import at_precision
from unitscope.engine.targets import Target, find_target
from unitscope.errors import ImageAccessError, UnitscopeError
from unitscope.graph import Trace, device_of
from unitscope.graph.exporting import running
from unitscope.graph.split import SplitGraph, SplitNetwork, split_at
from unitscope.images import ImageSource
from unitscope.networks import Network
from unitscope.notebook import facts_html
from unitscope.units import Layer, LayerTable

SEEN = 16
"""Number of images that show which layers a network calls that branches on its values."""
MAX_CELLS = 2**26
"""Maximum number of cells in all maps of a batch: 256 MB in float32."""

T = TypeVar("T")


class Session:
    """A network on one device, exported once.

    The given network is not modified or moved. If its weights change, later calls use the new ones, unless the session
    runs a copy on another device. Threads can share a session: `run`, `stream` and `gradients` acquire its lock for
    each batch.

    Args:
        network: from `unitscope.load`.
        device: ``cuda``, ``cuda:1``, … copy the network there; ``cpu`` and None leave it where it is.
        precision: ``float32``, ``tf32`` (NVIDIA GPUs) or ``bf16``.
        batch_size: number of images run at once; None uses 16 on a CPU, as many as fit on a GPU, and 1 for networks
            under hooks.

    Raises:
        NetworkError: if there is no such device.
        UnitscopeError: if the device has no such precision, or the batch size is less than 1.
    """

    def __init__(
        self,
        network: Network,
        *,
        device: str | None = None,
        precision: str = "float32",
        batch_size: int | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise UnitscopeError(f"batch_size must be at least 1, not {batch_size}")
        self.network = network if device is None else to_device(network, device)
        self.device = device_of(self.network.module)
        self.precision: Precision = choose_precision(precision, engine="eager", device=str(self.device))
        self._batch_size = batch_size
        self._fitting: int | None = None  # after a batch has run out of memory
        self._graphs = NetworkGraphs(self.network, self.precision)
        self._lock = self._graphs.lock

    @classmethod
    def of(cls, network: "Network | Session", *, device: str | None = None, batch_size: int | None = None) -> "Session":
        """Return a given session unchanged, or a new session of a network.

        Raises:
            UnitscopeError: if the given session is on another device than ``cuda``, ``cuda:1``, …
        """
        if not isinstance(network, Session):
            return cls(network, device=device, batch_size=batch_size)
        wanted = network.device if device is None else check_device(device)
        if wanted.type != "cpu" and (wanted.type, wanted.index or 0) != (
            network.device.type,
            network.device.index or 0,
        ):
            raise UnitscopeError(
                f"the session runs on '{network.device}', not on '{device}'; use Session(network, device='{device}')"
            )
        return network

    def __repr__(self) -> str:
        return f"Session({self.network.name} on {self.device}, {self.precision})"

    def _repr_html_(self) -> str:
        facts = (("weights", self.network.weights), ("device", self.device), ("precision", self.precision))
        return facts_html(f"Session of {self.network.name}", facts)

    @property
    def trace(self) -> Trace:
        """The network as a graph of calls, exported on first use.

        Raises:
            NetworkError: if the network does not run on an input of its preprocessing's size.
        """
        return self._graphs.trace

    @property
    def layers(self) -> LayerTable:
        """All calls of the network that can be tapped, in execution order."""
        return self.trace.layers

    def see(self, images: ImageSource) -> None:
        """Find the layers that only some images call, in a network that branches on its values.

        Up to `SEEN` images, evenly spaced, are run if the network can't be exported. Others have all their layers.
        """
        if not self.trace.fallback_reason:
            return
        for batch in self.batches(images.limit(SEEN)):
            if batch.good:
                self._graphs.see(batch.tensor())

    def adopt(self, layers: LayerTable) -> None:
        """Use the layers that a scan of the same network found, in a network that branches on its values; see `see`."""
        self._graphs.adopt(layers)

    @property
    def batch_size(self) -> int:
        """Number of images run at once; halved after a batch has run out of memory."""
        with self._lock:
            if self._batch_size is None:
                layers = self.layers.activations
                self._batch_size = batch_size_for(self.network, self.trace, layers, precision=self.precision)
            return self.images_at_once(self._batch_size)

    def images_at_once(self, batch_size: int | None = None) -> int:
        """Return the number of images to run at once where ``batch_size`` is wanted; None for the session's."""
        if self.trace.single_image:
            return 1
        return self.batch_size if batch_size is None else min(batch_size, self._fitting or batch_size)

    def halve(self, batch_size: int) -> int:
        """Return half of a batch size that ran out of memory, which this and later batches get at most.

        Raises:
            UnitscopeError: if it was a single image.
        """
        if batch_size == 1:
            raise out_of_memory_error(self.device)
        self._fitting = batch_size // 2
        return self._fitting

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Hold the lock, and run without gradients at the session's precision, regardless of the caller's autocast."""
        with self._lock, running(), torch.inference_mode(), at_precision(self.precision, self.device):
            yield

    def run(
        self,
        prepared: Tensor,
        *,
        responses: Sequence[Layer | str] = (),
        maps: Sequence[Layer | str] = (),
        masks: Mapping[Layer, Tensor] | None = None,
        batch_size: int | None = None,
    ) -> Outputs:
        """Return the network's outputs for prepared images.

        Args:
            prepared: one or more images from `Preprocessing.prepare`, ``[image, channel, H, W]``.
            responses: layers, or their names, whose responses are returned.
            maps: layers, or their names, whose outputs are returned.
            masks: masks by layer, float ``[unit]``: 0 sets a unit's map to zero, 1 keeps it.
            batch_size: number of images run at once; None uses the session's.

        Raises:
            LayerError: if there is no such layer.
            UnitscopeError: if ``prepared`` has another shape, or a single image does not fit into memory.
        """
        masks = masks or {}
        means, whole = tuple(map(self._find, responses)), tuple(map(self._find, maps))
        module = self._graphs.tapped(responses=means, maps=whole, masks=tuple(masks))
        values = [mask.to(self.device) for mask in masks.values()]

        def forward(some: Tensor) -> Outputs:
            with self.inference():
                logits, found, *outputs = module(some.to(self.device), *values)
                known = np.empty((len(some), 0), np.float32) if found is None else found.float().cpu().numpy()
                return Outputs(None if logits is None else logits.float().cpu().numpy(), known, tuple(outputs))

        return Outputs.joined(self._in_batches(prepared, forward, batch_size))

    def batches(
        self,
        images: ImageSource,
        rows: range | None = None,
        *,
        batch_size: int | None = None,
        missing_ok: bool = False,
    ) -> Iterator[Batch]:
        """Yield batches of prepared images in order; a file that can't be decoded becomes an error in its batch.

        Args:
            images: the images.
            rows: row numbers of the images; None for all.
            batch_size: number of images in a batch; None uses the session's.
            missing_ok: images that can't be opened or read are errors in their batch too, and are tried once only.

        Raises:
            ImageAccessError: if an image can't be opened or read, also when tried again.
        """
        every = (0, range(len(images)) if rows is None else rows)
        size, phi, retries = (
            self.images_at_once(batch_size),
            self.network.preprocessing,
            Retries(0 if missing_ok else MAX_WAIT),
        )
        for batch in batches(images, [every], phi=phi, batch_size=size, device=self.device, retries=retries):
            if batch.missing and not missing_ok:
                raise ImageAccessError(batch.missing[0].error)
            yield batch

    def stream(
        self,
        images: ImageSource,
        rows: range | None = None,
        *,
        responses: Sequence[Layer | str] = (),
        maps: Sequence[Layer | str] = (),
        masks: Mapping[Layer, Tensor] | None = None,
        gradients: Target | None = None,
        batch_size: int | None = None,
        missing_ok: bool = False,
    ) -> Iterator[tuple[Batch, Outputs | None]]:
        """Yield batches of images in order, each with the outputs of its readable images, or None if there are none.

        Args:
            images: the images; a file that can't be decoded becomes an error in its batch.
            rows: row numbers of the images; None for all.
            responses: layers, or their names, whose responses are returned.
            maps: layers, or their names, whose outputs are returned; a batch has at most `MAX_CELLS` of their cells.
            masks: as in `run`.
            gradients: a class or unit whose gradients are returned; see `gradients`.
            batch_size: number of images in a batch; None uses the session's.
            missing_ok: as in `batches`.

        Raises:
            ImageAccessError: as in `batches`.
        """
        cells = sum(math.prod(self._find(layer).shape) for layer in maps)
        size = min(self.images_at_once(batch_size), max(1, MAX_CELLS // cells if cells else MAX_CELLS))
        for batch in self.batches(images, rows, batch_size=size, missing_ok=missing_ok):
            if not batch.good:
                yield batch, None
                continue
            prepared = batch.tensor()
            outputs = self.run(prepared, responses=responses, maps=maps, masks=masks, batch_size=size)
            if gradients is not None:
                gradient = self.gradients(prepared, gradients, masks=masks, batch_size=size)
                outputs = replace(outputs, gradients=gradient)
            yield batch, outputs

    def gradients(
        self,
        prepared: Tensor,
        target: Target,
        *,
        masks: Mapping[Layer, Tensor] | None = None,
        batch_size: int | None = None,
    ) -> Tensor:
        """Return the gradient of a class's logit, or of a unit's response, with respect to the network's input.

        Args:
            prepared: as in `run`.
            target: number of a class, or a unit.
            masks: as in `run`.
            batch_size: as in `run`.

        Returns:
            float32 ``[image, channel, H, W]``, with respect to the normalized input (Simonyan et al., 2014); zero for
            an image on which the target does not depend.

        Raises:
            LayerError: if there is no such unit.
            NetworkError: if the network has no such class.
            UnitscopeError: see `run`.
        """
        masks = masks or {}
        self._graphs.follow_weights()
        found = find_target(target, self.layers, self.network.reference)
        module = self.differentiable(responses=found.layers, masks=tuple(masks))
        values = [mask.to(self.device) for mask in masks.values()]

        def backward(some: Tensor) -> Tensor:
            with (
                self._lock,
                running(),
                torch.inference_mode(False),
                torch.enable_grad(),
                at_precision("float32", self.device),
            ):
                x = self.network.preprocessing.normalize(some.to(self.device)).detach().clone().requires_grad_()
                value = found.value(module(x, *values)).sum()
                if not value.requires_grad:
                    return torch.zeros_like(x)
                (gradient,) = torch.autograd.grad(value, x, allow_unused=True)
                return torch.zeros_like(x) if gradient is None else gradient

        return torch.cat(self._in_batches(prepared, backward, batch_size)).detach()

    def executor(
        self,
        layers: Sequence[Layer],
        *,
        engine: Engine = "eager",
        precision: Precision | None = None,
        batch_size: int | None = None,
        peaks: Sequence[Layer] = (),
    ) -> Executor:
        """Return an executor with a fixed batch size, so that an image's results don't depend on its batch.

        An executor does not acquire the lock, and raises an error if a batch runs out of memory. ``peaks`` are the
        layers whose peaks are outputs too; see `Trace.tapped`.
        """
        self._graphs.follow_weights()
        precision = precision or self.precision
        size = 1 if self.trace.single_image else batch_size or self.batch_size
        fast = self._graphs.fast() if engine == "eager" and precision == self.precision else None
        trace = self.trace
        if fast and fast.has(layers):
            with running():
                run = NormalizedTaps(self.network, fast.tapped(responses=layers, peaks=peaks))
            return Executor.on(self.device, run, batch_size=size, precision=precision)
        return make_executor(
            self.network, trace, layers, engine=engine, batch_size=size, precision=precision, peaks=peaks
        )

    def split(self, layer: Layer) -> SplitNetwork:
        """Return the network split at a layer, with both parts optimised.

        Raises:
            NetworkError: if the network returns no logits, or the layer has no path to them.
        """
        self._graphs.follow_weights()
        trace = self.trace
        with running():
            halves = split_at(trace, layer)
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
        return self._graphs.differentiable(responses=tuple(responses), maps=tuple(maps), masks=tuple(masks))

    def _find(self, layer: Layer | str) -> Layer:
        return self.layers.find(layer) if isinstance(layer, str) else layer

    def _in_batches(self, prepared: Tensor, run: Callable[[Tensor], T], batch_size: int | None) -> list[T]:
        """Run images batch by batch; one that runs out of memory is run again in halves."""
        if prepared.ndim != 4 or not len(prepared):
            shape = list(prepared.shape)
            raise UnitscopeError(
                f"prepared images have the shape [image, channel, H, W] with one image or more, not {shape}"
            )
        parts: list[T] = []
        while len(prepared):
            count = min(len(prepared), self.images_at_once(batch_size) if len(prepared) > 1 else 1)
            part = none_if_out_of_memory(partial(run, prepared[:count]))
            if part is not None:
                parts.append(part)
                prepared = prepared[count:]
            else:
                self.halve(count)
        return parts
