"""A network's graph as it runs fastest op by op, made once and tapped as often as asked.

In: an exported trace, a device, a precision. Out: modules with taps that share one copy of the prepared weights.
A fused convolution hides the values inside it. A tap on one of those is made from the plain graph instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.fx import GraphModule, Node

from unitscope.engine.executor import optimize_for_eager
from unitscope.engine.options import Precision
from unitscope.graph.taps import LAYER, add_taps
from unitscope.graph.trace import ExportedTrace
from unitscope.units import Layer


@dataclass(frozen=True, eq=False)
class FastGraph:
    """A folded and fused graph.

    Attributes:
        trace: what it was made from.
        module: the graph, from ``x`` to ``(logits | None,)``.
        nodes: the node of each layer whose value the graph still gives.
        device: where it runs.
        precision: in which it runs.
    """

    trace: ExportedTrace
    module: GraphModule
    nodes: dict[str, Node]
    device: torch.device
    precision: Precision

    @classmethod
    def of(cls, trace: ExportedTrace, device: torch.device, precision: Precision) -> "FastGraph":
        """Return the graph of a trace, optimized for running op by op."""
        module = optimize_for_eager(add_taps(trace.graph_module), device, precision)
        assert isinstance(module, GraphModule)
        nodes = {node.meta[LAYER]: node for node in module.graph.nodes if LAYER in node.meta}
        return cls(trace, module, nodes, device, precision)

    def tapped(
        self, *, responses: Sequence[Layer] = (), maps: Sequence[Layer] = (), masks: Sequence[Layer] = ()
    ) -> nn.Module:
        """See `Trace.tapped`."""
        if any(layer.name not in self.nodes for layer in (*responses, *maps, *masks)):
            plain = self.trace.tapped(responses=responses, maps=maps, masks=masks)
            return optimize_for_eager(plain, self.device, self.precision)
        means, masked = ([(self.nodes[layer.name], layer) for layer in layers] for layers in (responses, masks))
        return add_taps(self.module, means=means, maps=[self.nodes[layer.name] for layer in maps], masks=masked)
