"""A network as a graph of calls, each its own layer, that can be tapped.

In: an `nn.Module` in evaluation mode and the size of its input.
Out: a `Trace`: the layer table, and modules that also give responses or activation maps of chosen layers.
`ExportedTrace` is the rule; `HookedTrace` stands in where export fails, and says what is lost.
"""

from unitscope.graph.trace import ExportedTrace, HookedTrace, Trace, device_of, trace, trace_of

__all__ = ["ExportedTrace", "HookedTrace", "Trace", "device_of", "trace", "trace_of"]
