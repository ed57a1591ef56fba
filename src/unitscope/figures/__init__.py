"""Pictures of units: what they respond to, where, and how a whole network's units behave.

In: the plain arrays of `unitscope.display`, and an atlas' unit table.
Out: matplotlib Figures in one style; `save` writes one as PNG, SVG or PDF.
Only draws: imports neither torch nor atlases, opens no window, and restores matplotlib's rc settings.
"""

from unitscope.figures.ablation import ablation
from unitscope.figures.drawing import draw
from unitscope.figures.exemplars import exemplars
from unitscope.figures.inhibition import inhibition
from unitscope.figures.layer_overlap import layer_overlap
from unitscope.figures.layers import layer_summary
from unitscope.figures.perturbation import perturbation
from unitscope.figures.perturbation_maps import perturbed
from unitscope.figures.saving import save
from unitscope.figures.similarity import layer_similarity, similarity, similarity_by_layer
from unitscope.figures.sparsity import sparsity, sparsity_by_layer
from unitscope.figures.structure import structure
from unitscope.figures.unit_responses import unit_responses
from unitscope.figures.unit_rules import rules

__all__ = [
    "ablation",
    "draw",
    "exemplars",
    "inhibition",
    "layer_overlap",
    "layer_similarity",
    "layer_summary",
    "perturbation",
    "perturbed",
    "rules",
    "save",
    "similarity",
    "similarity_by_layer",
    "sparsity",
    "sparsity_by_layer",
    "structure",
    "unit_responses",
]
