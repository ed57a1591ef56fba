"""Attribution: how much each pixel of an image counts for a class or a unit; one module per method.

In: a session and an image. Out: a map with one number per pixel. Methods are found by entry point
(``unitscope.attributions``); `attribute` runs one by its name.
"""

from unitscope.attribution.attribute import attribute
from unitscope.attribution.protocol import Attribution

__all__ = ["Attribution", "attribute"]
