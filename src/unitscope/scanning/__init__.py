"""The bridge: a network over a set of images gives an atlas.

In: a network, images, which layers to tap. Out: an atlas on disk.
A shard is the unit of work: resuming is doing the shards that have no part yet.
"""

from unitscope.scanning.plan import Options
from unitscope.scanning.scan import Progress, ScanResult, scan

__all__ = ["Options", "Progress", "ScanResult", "scan"]
