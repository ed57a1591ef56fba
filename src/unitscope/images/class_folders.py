"""Class folders: the name of the folder is the label.

In: image ids. Out: one label per image, or None if the images are not in class folders.
Independent of a network's classes; `class_matching` finds the class of a label.
"""

import re
from pathlib import Path

from unitscope.images.listing import Labels

_WNID = re.compile(r"n\d{8}")


def wnid_of(image_id: str) -> str | None:
    """Return the wnid (ImageNet class) among the folders of an image id; None if there is none."""
    return next((part for part in image_id.split("/")[:-1] if _WNID.fullmatch(part)), None)


def read_labels(_root: Path, ids: tuple[str, ...]) -> Labels | None:
    """Return each image's folder as its label, or None if all images are in one folder that is not a wnid."""
    labels = {image_id: _label(image_id) for image_id in ids}
    tops = {image_id.split("/")[0] for image_id in ids if "/" in image_id}
    if len(tops) > 1 or any(map(wnid_of, ids)):
        return labels
    return None


def _label(image_id: str) -> tuple[str, ...]:
    top, *rest = image_id.split("/")
    return (wnid_of(image_id) or top,) if rest else ()
