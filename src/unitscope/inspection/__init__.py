"""Looking at single images and units: the bridge between a network and what the eye is shown.

In: a network (or an atlas that names one) and images. Out: the plain arrays of `unitscope.display.sheets`.
"""

from unitscope.inspection.exemplars import exemplar_sheet
from unitscope.inspection.structure import LayerRange, structure
from unitscope.inspection.unit_rules import rule_sheet

__all__ = ["LayerRange", "exemplar_sheet", "rule_sheet", "structure"]
