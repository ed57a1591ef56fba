"""Scan: run a network over a set of images and write an atlas.

In: a network, images, the layers to tap. Out: an atlas on disk.
A shard is the unit of work; resuming a scan means running the shards that have no part yet.
"""

from unitscope.scanning.missing import MissingImagesError
from unitscope.scanning.options import ScanOptions
from unitscope.scanning.progress import NullProgress, Progress
from unitscope.scanning.ray_runner import RayRunner
from unitscope.scanning.runners import InProcessRunner, ProcessRunner
from unitscope.scanning.scan import ScanResult, scan

__all__ = [
    "InProcessRunner",
    "MissingImagesError",
    "NullProgress",
    "ProcessRunner",
    "Progress",
    "RayRunner",
    "ScanOptions",
    "ScanResult",
    "scan",
]
