"""Tests that every plug-in must pass, for its own test suite: subclass one, set its attributes, and run pytest.

In: a reference or an address. Out: test methods. unitscope's own origins and sources pass the same tests.
"""

from unitscope.testing.attributions import AttributionTests
from unitscope.testing.origins import OriginTests
from unitscope.testing.sources import SourceTests

__all__ = ["AttributionTests", "OriginTests", "SourceTests"]
