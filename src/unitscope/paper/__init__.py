"""The paper, done again on your networks and images: every table and figure, beside its own values.

In: networks, a folder like ImageNet's, one like COCO's. Out: one self-contained HTML report, CSV tables, figures.
What can't be had (no labels, no such class, no trained weights) is said in its place; nothing is made up.
"""

from unitscope.paper.networks import Asked, Sources
from unitscope.paper.report import Report, write_paper

__all__ = ["Asked", "Report", "Sources", "write_paper"]
