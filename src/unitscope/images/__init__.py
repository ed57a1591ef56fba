"""Find and read images and their labels.

In: a folder (plain, class folders, ImageNet's validation set, COCO), one file, or a URL that a plug-in opens.
Out: an `ImageSource` with stable ids and labels; `decode_row` decodes one of its images to upright RGB.
Independent of networks, batches and torch; needs Pillow and NumPy only.
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
