"""Class folders: the name of the folder is the label.

In: image ids. Out: one label per image, or None if the images are not in class folders.
Independent of a network's classes; `class_matching` finds the class of a label.
"""

import re
from itertools import dropwhile
from pathlib import Path

from unitscope.images.listing import Labels, folders_in
from unitscope.images.mask_files import IMAGE_FOLDERS

_WNID = re.compile(r"(n\d{8})(?:[-_ ].*)?")
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def wnid_of(image_id: str) -> str | None:
    """Return the wnid (ImageNet class) among the folders of an image id, such as ``n02085620-Chihuahua``, or None."""
    found = (_WNID.fullmatch(part) for part in image_id.split("/")[:-1])
    return next((match[1] for match in found if match), None)


def read_labels(root: Path, ids: tuple[str, ...]) -> Labels | None:
    """Return each image's folder as its label, or None if all images are in one folder that is not a wnid.

    Folders named ``train``, ``val``, ``images`` and the like are not labels but hold the folders that are.
    """
    tops = {image_id.split("/")[0] for image_id in ids if "/" in image_id}
    if tops and all(map(_holds_classes, tops)):
        labels = {image_id: _label(image_id, within=True) for image_id in ids}
        return labels if any(labels.values()) else None
    if len(tops) > 1 or any(map(wnid_of, ids)) or (tops and len(tops | folders_in(root)) > 1):
        return {image_id: _label(image_id) for image_id in ids}
    return None


def _holds_classes(folder: str) -> bool:
    return folder.lower() in _SPLITS | IMAGE_FOLDERS


def _label(image_id: str, *, within: bool = False) -> tuple[str, ...]:
    folders = image_id.split("/")[:-1]
    if within:
        folders = list(dropwhile(_holds_classes, folders))
    return (wnid_of(image_id) or folders[0],) if folders else ()
