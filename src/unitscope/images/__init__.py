"""A path or an address in, pictures and their labels out: where images come from and how they are read.

In: a folder (plain, class folders, ImageNet's validation set, COCO), one file, or what a plug-in opens.
Out: an `ImageSource` of stable ids and labels; `decode_row` turns any of its images into upright RGB.
This room must not know networks, batches or torch; it works wherever Pillow and NumPy do.
"""

from unitscope.images.class_matching import match_classes
from unitscope.images.decoding import decode, decode_row
from unitscope.images.folder import image_files
from unitscope.images.imagenet import imagenet_wnids
from unitscope.images.open import open_images, reopen_images
from unitscope.images.source import ImageSource

__all__ = [
    "ImageSource",
    "decode",
    "decode_row",
    "image_files",
    "imagenet_wnids",
    "match_classes",
    "open_images",
    "reopen_images",
]
