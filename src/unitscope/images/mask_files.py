"""Leave out masks that lie beside the images they belong to.

In: ids of files. Out: the ids without masks, and what was left out. Two ways of naming masks are known: ``x_mask.png``
(or ``_seg``, ``_gt``, …) beside ``x.jpg``, and a folder ``masks`` beside a folder ``images``. Scanned as images, masks
would be exemplars and make class means wrong.
"""

import re
from collections import defaultdict
from collections.abc import Container, Iterable

from unitscope.images.folder_names import IMAGE_FOLDERS, is_split
from unitscope.text import count_noun

_MASK_FOLDERS = {"mask", "masks", "segmentation", "segmentations", "segmentationclass", "segmentationobject", "trimaps"}
_LABEL_FOLDERS = {"label", "labels", "annotation", "annotations", "ann", "gt", "groundtruth", "ground_truth", "seg"}
_TEXTS = (".txt", ".xml", ".json", ".csv", ".tsv", ".md", ".mat", ".yaml", ".yml")
_LOSSLESS = (".png", ".tif", ".tiff", ".bmp", ".gif")
_MASK_NAME = re.compile(r"(.+?)[-_. ](?:mask|seg|segmentation|label|labels|gt|groundtruth|trimap|l)(?:[-_]?\d+)?", re.I)


def without_masks(ids: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids without those of masks, and what was left out, for messages."""
    named = {image_id: image for image_id in ids if (image := _image_of(image_id))}
    stems = {_stem(image_id) for image_id in ids} if named else set()
    beside = {image_id for image_id, image in named.items() if image in stems}
    folders = {image_id.rpartition("/")[0] for image_id in ids}
    masks = any(part in _MASK_FOLDERS | _LABEL_FOLDERS for folder in folders for part in folder.lower().split("/"))
    within = _in_mask_folders(ids) if masks else {}
    left_out = [f"folder '{folder}', which holds masks or labels of images" for folder in sorted(set(within.values()))]
    if beside:
        left_out.append(
            f"{count_noun(len(beside), 'mask')} beside images, such as '{min(beside)}'; move masks to a folder of "
            "their own to scan them"
        )
    return tuple(image_id for image_id in ids if image_id not in beside and image_id not in within), tuple(left_out)


def without_text_folders(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids without those of folders that hold text only, such as lists of a split; they are no classes."""
    tops = {image_id.partition("/")[0] for image_id in ids if not _is_text(image_id)}
    return tuple(image_id for image_id in ids if "/" not in image_id or image_id.partition("/")[0] in tops)


def _is_text(image_id: str) -> bool:
    return image_id.lower().endswith(_TEXTS)


def _above_split(image_id: str) -> str | None:
    """Return what is above the first folder of a split, or None outside of splits."""
    parts = image_id.split("/")
    return next(("".join(f"{a}/" for a in parts[:n]) for n, part in enumerate(parts[:-1]) if is_split(part)), None)


def _in_mask_folders(ids: Iterable[str]) -> dict[str, str]:
    """Return the folder of each file that is in a folder of masks beside a folder of images.

    Beside splits, and for a folder of labels, it counts only if its files are named like the images.
    """
    images, splits = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    found = defaultdict[tuple[str, str], list[str]](list)
    for image_id in ids:
        above, name, below = _split(image_id, IMAGE_FOLDERS | _MASK_FOLDERS | _LABEL_FOLDERS)
        if name.lower() in IMAGE_FOLDERS:
            images[above].add(_last(below))
        elif name:
            found[above, name].append(image_id)
        elif (whole := _above_split(image_id)) is not None:
            splits[whole].add(_last(image_id))
    masks: dict[str, str] = {}
    for (above, name), files in found.items():
        names = {_unmarked(_last(file)) for file in [f for f in files if not _is_text(f)] or files}
        sure = images.get(above) and name.lower() in _MASK_FOLDERS
        if sure or any(beside and names <= beside for beside in (images.get(above), splits.get(above))):
            masks |= dict.fromkeys(files, above + name)
    return masks


def _last(image_id: str) -> str:
    """Return the name of a file without its folders and suffix."""
    return _stem(image_id.rpartition("/")[2])


def _unmarked(name: str) -> str:
    """Return the name of a mask's image, as in ``0`` of ``0_mask``."""
    return match[1] if (match := _MASK_NAME.fullmatch(name)) else name


def _split(image_id: str, names: Container[str]) -> tuple[str, str, str]:
    """Return what is above the first folder with one of these names, its name, and what is below."""
    parts = image_id.split("/")
    for depth, part in enumerate(parts[:-1]):
        if part.lower() in names:
            return "".join(f"{above}/" for above in parts[:depth]), part, "/".join(parts[depth + 1 :])
    return "", "", image_id


def _image_of(image_id: str) -> str:
    """Return the id, without suffix, of the image that a file would be a mask of by its name; empty if of none."""
    if not image_id[-5:].lower().endswith(_LOSSLESS):
        return ""
    folder, slash, name = _stem(image_id).rpartition("/")
    match = _MASK_NAME.fullmatch(name)
    return folder + slash + match[1] if match else ""


def _stem(image_id: str) -> str:
    folder, slash, name = image_id.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
