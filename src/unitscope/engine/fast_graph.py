"""A network's graph, optimised once for eager execution and tapped as often as needed.

In: an exported trace, a device, a precision. Out: modules with taps that share one copy of the optimised weights.
Fusing hides the values inside a fused convolution; taps on those use the plain graph instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.fx import GraphModule, Node

from unitscope.engine.executor import optimize_for_eager
from unitscope.engine.options import Precision
from unitscope.graph.taps import LAYER, add_taps, tap_layers
from unitscope.graph.trace import ExportedTrace
from unitscope.units import Layer


@dataclass(frozen=True, eq=False)
class FastGraph:
    """A folded and fused graph.

    Attributes:
        module: the graph, from ``x`` to ``(logits | None,)``.
        nodes: node of each layer whose value still exists in the graph.
    """

    module: GraphModule
    nodes: dict[str, Node]

    @classmethod
    def of(cls, trace: ExportedTrace, device: torch.device, precision: Precision) -> "FastGraph":
        """Return the graph of a trace, optimised for eager execution."""
        module = optimize_for_eager(add_taps(trace.graph_module), device, precision)
        assert isinstance(module, GraphModule)
        nodes = {node.meta[LAYER]: node for node in module.graph.nodes if LAYER in node.meta}
        return cls(module, nodes)

    def has(self, layers: Sequence[Layer]) -> bool:
        """Tell whether the graph still gives the values of all these layers."""
        return all(layer.name in self.nodes for layer in layers)

    def tapped(
        self,
        *,
        responses: Sequence[Layer] = (),
        maps: Sequence[Layer] = (),
        masks: Sequence[Layer] = (),
        peaks: Sequence[Layer] = (),
    ) -> nn.Module:
        """See `Trace.tapped`; `has` must be true of the layers."""
        return tap_layers(self.module, self.nodes, responses=responses, maps=maps, masks=masks, peaks=peaks)
