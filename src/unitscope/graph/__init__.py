"""Trace a network: turn a module into a table of layers that can be tapped, split and edited.

In: an `nn.Module` in evaluation mode and its input size. Out: a `Trace`, which holds the layer table and builds modules
that also return responses or activation maps. `ExportedTrace` is the normal case; `HookedTrace` is the fallback for
networks that can't be exported. This package does not depend on images, files or atlases.
"""

from unitscope.graph.trace import ExportedTrace, HookedTrace, Trace, device_of, trace, trace_of

__all__ = ["ExportedTrace", "HookedTrace", "Trace", "device_of", "trace", "trace_of"]
