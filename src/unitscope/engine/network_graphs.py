"""The graphs of a network, each made on first use: a fast one for inference, and the plain, differentiable one.

In: a network on its device, and a precision. Out: its trace, and modules with taps. When the network's weights change,
what was made of the old ones is dropped. `Session` runs images through these modules.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from unitscope.engine.executor import NormalizedTaps
from unitscope.engine.fast_graph import FastGraph
from unitscope.engine.options import Precision
from unitscope.graph import Trace, device_of, trace_of
from unitscope.graph.exporting import running
from unitscope.graph.trace import ExportedTrace, HookedTrace
from unitscope.networks import Network, eval_mode
from unitscope.units import Layer, LayerTable

_CACHED_TAPS = 8

Layers = tuple[Layer, ...]


class NetworkGraphs:
    """The graphs of a network, exported once; threads can share them.

    Attributes:
        lock: held while a graph is made; hold it while one runs.
    """

    def __init__(self, network: Network, precision: Precision) -> None:
        self.network, self.precision = network, precision
        self.device = device_of(network.module)
        self.lock = threading.RLock()
        self._trace: Trace | None = None
        self._fast: FastGraph | None = None
        self._taps: OrderedDict[object, nn.Module] = OrderedDict()
        self._weights: tuple[Tensor, ...] = ()  # those of the trace
        self._versions: list[tuple[int, int]] = []

    @property
    def trace(self) -> Trace:
        """The network as a graph of calls, exported on first use; `follow_weights` brings it up to date."""
        with self.lock, torch.autocast(self.device.type, enabled=False):
            if self._trace is None:
                self._trace, self._weights = trace_of(self.network), _weights_of(self.network)
            return self._trace

    def see(self, prepared: Tensor) -> None:
        """Add the layers of branches that only these prepared images take, for a network under hooks."""
        with self.lock, running(), torch.no_grad():
            if isinstance(self.trace, HookedTrace):
                normalized = self.network.preprocessing.normalize(prepared.to(self.device))
                with eval_mode(self.network.module):
                    self._trace = self.trace.with_layers_of(normalized)

    def adopt(self, layers: LayerTable) -> None:
        """Use the layers of an earlier trace of the same network, if it runs under hooks."""
        with self.lock:
            if isinstance(self.trace, HookedTrace):
                self._trace = replace(self.trace, layers=layers)

    def fast(self) -> FastGraph | None:
        """Return the fast graph of the current weights; None for a network under hooks."""
        with self.lock:
            self.follow_weights()
            trace = self.trace
            if self._fast is None and isinstance(trace, ExportedTrace):
                with running():
                    self._fast = FastGraph.of(trace, self.device, self.precision)
            return self._fast

    def tapped(self, *, responses: Layers, maps: Layers, masks: Layers) -> nn.Module:
        """Return a module from prepared images to tapped outputs; see `Trace.tapped`.

        It runs the fast graph, or the plain one if a layer's value is hidden inside a fused op.
        """
        with self.lock:
            fast = self.fast()
            source = fast if fast and fast.has((*responses, *maps, *masks)) else self.trace
            return self._cached(
                (responses, maps, masks),
                lambda: NormalizedTaps(self.network, source.tapped(responses=responses, maps=maps, masks=masks)),
            )

    def differentiable(self, *, responses: Layers, maps: Layers, masks: Layers) -> nn.Module:
        """Return the plain graph with taps, from normalized images; autograd can differentiate it."""
        with self.lock:
            self.follow_weights()
            return self._cached(
                ("plain", responses, maps, masks),
                lambda: self.trace.tapped(responses=responses, maps=maps, masks=masks),
            )

    def follow_weights(self) -> None:
        """Drop the fast graph if a weight was written, and the trace if another tensor has taken a weight's place."""
        with self.lock:
            weights = _weights_of(self.network)
            versions = [_version(tensor) for tensor in weights]
            if [*map(id, weights)] != [*map(id, self._weights)]:
                self._trace = None
            elif versions == self._versions:
                return
            self._fast, self._versions = None, versions
            self._taps.clear()

    def _cached(self, key: object, make: Callable[[], nn.Module]) -> nn.Module:
        with running():
            if key not in self._taps:
                self._taps[key] = make()
                if len(self._taps) > _CACHED_TAPS:
                    self._taps.popitem(last=False)
            self._taps.move_to_end(key)
            return self._taps[key]


def _weights_of(network: Network) -> tuple[Tensor, ...]:
    return *network.module.parameters(), *network.module.buffers()


def _version(tensor: Tensor) -> tuple[int, int]:
    """Return what changes when a tensor does: where it is, and how often it was written."""
    return tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version
