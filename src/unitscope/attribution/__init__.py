"""Where in an image the evidence for a class or a unit lies: methods of attribution, one module a method.

In: a session and an image. Out: a map with one number a pixel. Methods are found by entry point
(``unitscope.attributions``); `attribute` runs one by its name.
"""

from unitscope.attribution.attribute import attribute
from unitscope.attribution.protocol import Attribution

__all__ = ["Attribution", "attribute"]
