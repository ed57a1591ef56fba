"""Names of folders that data sets use for images and splits.

In: the name of a folder. Out: whether it holds images or a split, so that it is not a class by itself.
"""

import re

IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "jpegimages"})
"""Names of folders that hold the images of a data set, in lower case."""

_SPLIT = re.compile(
    r"(?:(?:images?|imgs?|data|seg)[-_ ])?"
    r"(?:train|training|val|valid|validation|dev|test|testing|eval|evaluation|pred|holdout|unlabell?ed)"
    r"(?:[-_ ]?(?:set|data|images?|imgs?|split|20\d\d))*",
    re.I,
)


def is_split(folder: str) -> bool:
    """Return whether a folder has the name of a split, such as ``train``, ``test_set`` or ``val2017``."""
    return bool(_SPLIT.fullmatch(folder))


def holds_classes(folder: str) -> bool:
    """Return whether a folder holds images or a split by its name."""
    return folder.lower() in IMAGE_FOLDERS or is_split(folder)
