"""Inspect single images and units: run a network and collect the data of a figure.

In: a network (or an atlas that refers to one) and images. Out: the data classes of `unitscope.display`.
"""

from unitscope.inspection.exemplars import exemplar_sheet
from unitscope.inspection.structure import LayerRange, structure
from unitscope.inspection.unit_rules import rule_sheet

__all__ = ["LayerRange", "exemplar_sheet", "rule_sheet", "structure"]
