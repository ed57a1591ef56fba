"""Reproduce the paper on your networks and images: every table and figure, next to the published values.

In: networks, a folder like ImageNet's, one like COCO's. Out: one self-contained HTML report, CSV tables, figures.
Items that can't be made (no labels, no such class, no trained weights) are listed with the reason.
"""

from unitscope.paper.networks import NetworkSpec, Sources
from unitscope.paper.report import Report, write_paper

__all__ = ["NetworkSpec", "Report", "Sources", "write_paper"]
