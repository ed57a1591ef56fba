"""Summaries of responses that can be merged.

In: responses ``[image, unit]`` with image ids and classes. Out: `Summary` and `ClassSums`, which merge in any order.
The result does not depend on how images are split into shards: counts and extremes are exact, moments and class sums
equal up to float64 rounding. NaN is a missing value. Independent of networks, files and atlases.
"""

from unitscope.summaries.classes import ClassSums, ShardClassSums
from unitscope.summaries.moments import Moments
from unitscope.summaries.summary import Summary
from unitscope.summaries.topk import Extremes

__all__ = ["ClassSums", "Extremes", "Moments", "ShardClassSums", "Summary"]
