"""A path in, pictures and their labels out: where images come from and how they are read.

In: a folder (plain, class folders, ImageNet's validation set, COCO) or one file.
Out: an `ImageSet` of stable ids and labels; `decode` turns any of its files into upright RGB.
This room must not know networks, batches or torch; it works wherever Pillow and NumPy do.
"""

from unitscope.images.class_matching import match_classes
from unitscope.images.decoding import decode
from unitscope.images.imagenet import imagenet_wnids
from unitscope.images.source import ImageSet, open_images

__all__ = ["ImageSet", "decode", "imagenet_wnids", "match_classes", "open_images"]
