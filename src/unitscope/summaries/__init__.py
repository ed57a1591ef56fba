"""What is remembered of all responses: summaries that can be merged.

In: responses ``[image, unit]`` with image ids and classes. Out: `Summary`, a product of monoids.
Each has ``empty``, ``of``, ``merge``, ``to_arrays`` and ``from_arrays``; any sharding gives the same answer, exactly
for counts and extremes, to rounding in float64 for moments and class sums. A response of NaN is a missing value.
"""

from unitscope.summaries.classes import ClassSums, SomeClassSums
from unitscope.summaries.moments import Moments
from unitscope.summaries.summary import Summary
from unitscope.summaries.topk import Extremes

__all__ = ["ClassSums", "Extremes", "Moments", "SomeClassSums", "Summary"]
