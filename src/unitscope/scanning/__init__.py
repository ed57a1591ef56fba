"""The bridge: a network over a set of images gives an atlas.

In: a network, images, which layers to tap. Out: an atlas on disk.
A shard is the unit of work: resuming is doing the shards that have no part yet.
"""

from unitscope.scanning.plan import Options
from unitscope.scanning.progress import Progress, Silent
from unitscope.scanning.ray_runner import OnRay
from unitscope.scanning.runners import Here, Processes
from unitscope.scanning.scan import ScanResult, scan

__all__ = ["Here", "OnRay", "Options", "Processes", "Progress", "ScanResult", "Silent", "scan"]
