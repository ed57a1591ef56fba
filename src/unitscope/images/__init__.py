"""Where images come from and how they are read.

In: a folder in one of the usual layouts. Out: an `ImageSet` of stable ids and labels, and decoded RGB images.
Never imports torch: the reading side draws thumbnails with it too.
"""

from unitscope.images.decoding import decode
from unitscope.images.labels import imagenet_wnids, match_classes
from unitscope.images.sources import ImageSet, open_images

__all__ = ["ImageSet", "decode", "imagenet_wnids", "match_classes", "open_images"]
