"""Pictures of units: what they respond to, where, and how a whole network's units behave.

In: the plain arrays of `unitscope.views`, and an atlas' unit table.
Out: matplotlib Figures in one quiet look; `save` writes one as PNG, SVG or PDF.
This room draws and nothing else: it knows no torch, no atlas and no window, and leaves rc settings alone.
"""

from unitscope.figures.exemplars import exemplars
from unitscope.figures.layers import layer_summary
from unitscope.figures.saving import save
from unitscope.figures.structure import structure

__all__ = ["exemplars", "layer_summary", "save", "structure"]
