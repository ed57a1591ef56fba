"""Class folders: the name of the folder is the label.

In: image ids. Out: one label per image, or None if the images are not in class folders.
Independent of a network's classes; `class_matching` finds the class of a label.
"""

import re
from itertools import dropwhile
from pathlib import Path

from unitscope.images.folder_names import holds_classes, is_split
from unitscope.images.listing import Labels, folders_in
from unitscope.images.mask_files import without_text_folders

_WNID = re.compile(r"(n\d{8})(?:[-_ ].*)?")


def wnid_of(image_id: str) -> str | None:
    """Return the wnid (ImageNet class) among the folders of an image id, such as ``n02085620-Chihuahua``, or None."""
    found = (_WNID.fullmatch(part) for part in image_id.split("/")[:-1])
    return next((match[1] for match in found if match), None)


def read_labels(root: Path, ids: tuple[str, ...]) -> Labels | None:
    """Return each image's folder as its label, or None if all images are in one folder that is not a wnid.

    Folders named ``train``, ``val_set``, ``images`` and the like are not labels but hold the folders that are. Beside
    two or more splits that hold folders, images of other folders have no label. A folder that is alone is no label.
    """
    folders = {image_id: image_id.split("/")[:-1] for image_id in without_text_folders(ids)}
    wnids = any(map(wnid_of, ids))
    while True:
        tops = {parts[0] for parts in folders.values() if parts}
        splits = {parts[0] for parts in folders.values() if len(parts) > 1 and is_split(parts[0])}
        if tops and (all(map(holds_classes, tops)) or len(splits) > 1):
            labels = {image_id: _label(image_id, _below(parts)) for image_id, parts in folders.items()}
            return labels if any(labels.values()) else None
        if len(tops) > 1 or wnids or (tops and len(tops | folders_in(root)) > 1):
            return {image_id: _label(image_id, parts) for image_id, parts in folders.items()}
        if not tops:
            return None
        root /= min(tops)
        folders = {image_id: parts[1:] for image_id, parts in folders.items()}


def _below(folders: list[str]) -> list[str]:
    """Return the folders below those of images and splits; none for an image outside of them."""
    return list(dropwhile(holds_classes, folders)) if folders and holds_classes(folders[0]) else []


def _label(image_id: str, folders: list[str]) -> tuple[str, ...]:
    wnid = wnid_of(image_id)
    return (wnid,) if wnid else tuple(folders[:1])
