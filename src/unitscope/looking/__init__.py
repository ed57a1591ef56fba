"""Looking at single images and units: the bridge between a network and what the eye is shown.

In: a network (or an atlas that names one) and images. Out: the plain arrays of `unitscope.views`.
"""

from unitscope.looking.exemplars import exemplar_sheet
from unitscope.looking.rules import rule_sheet
from unitscope.looking.structure import Columns, structure

__all__ = ["Columns", "exemplar_sheet", "rule_sheet", "structure"]
