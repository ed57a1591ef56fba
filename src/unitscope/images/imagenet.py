"""ImageNet's 1000 wnids in order, and the labels of its validation set.

In: ids of files named ``ILSVRC2012_val_00000001.JPEG``, in one flat folder. Out: one wnid per image, from the label
file in that folder or up to four folders above. Independent of networks; wnids are in the usual order of the classes.
"""

import csv
import re
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

from unitscope.errors import ImageError
from unitscope.images.class_folders import wnid_of
from unitscope.images.listing import Labels, read_text

_VALIDATION = re.compile(r"ILSVRC2012_val_(\d{8})")
_WNID = re.compile(r"n\d{8}")
_DEVKIT = "ILSVRC2012_devkit_t12"
_LABEL_FILES = {".csv", ".txt", ".xml", ".mat"}
_FOLDERS_ABOVE = 4

Wnids = dict[str, str]  # file name without its suffix → wnid


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """Return the wnids of ImageNet's 1000 classes, ordered by class number."""
    return tuple((resources.files(__package__) / "wnids.txt").read_text(encoding="ascii").split())


def read_labels(root: Path, ids: tuple[str, ...]) -> Labels | None:
    """Return the wnid of each validation image, or None if this is not ImageNet's validation set.

    Raises:
        ImageError: if the label file is invalid, or is the devkit's and SciPy is not installed.
    """
    images = [image_id for image_id in ids if not _is_label_file(image_id)]
    names = {image_id: PurePosixPath(image_id).stem for image_id in images}
    found = [image_id for image_id in images if _VALIDATION.fullmatch(names[image_id])]
    if 2 * len(found) <= len(images) or any(map(wnid_of, images)):
        return None
    wnids = _find_wnids(root, found[0], set(names.values()))
    return {image_id: (wnids[name],) if name in wnids else () for image_id, name in names.items()}


def _is_label_file(image_id: str) -> bool:
    path = PurePosixPath(image_id)
    return path.suffix.lower() in _LABEL_FILES or _DEVKIT in path.parts


def _find_wnids(root: Path, image_id: str, names: set[str]) -> Wnids:
    """Look for label files in the images' folder first, then in the folders above."""
    lowest = (root / image_id).parent
    highest = len(lowest.relative_to(root).parts) + _FOLDERS_ABOVE
    for folder in (lowest, *lowest.parents)[: highest + 1]:
        wnids = _from_csv(folder) or _from_xml(folder, names) or _from_devkit(folder) or _from_list(folder)
        if wnids:
            return wnids
    return {}


def _from_csv(folder: Path) -> Wnids:
    """Kaggle: ``ILSVRC2012_val_00000001,n03995372 85 1 499 272``."""
    path = folder / "LOC_val_solution.csv"
    if not path.is_file():
        return {}
    rows = [row for row in csv.reader(read_text(path).splitlines()) if row and _VALIDATION.fullmatch(row[0])]
    return {row[0]: _wnid("".join(row[1:]).split(" ")[0], path) for row in rows}


def _from_xml(folder: Path, names: set[str]) -> Wnids:
    """PASCAL annotations, one file per image; a regular expression reads 50,000 files faster than an XML parser."""
    annotations = folder / "Annotations" / "CLS-LOC" / "val"
    if not annotations.is_dir():
        return {}
    texts = {path.stem: read_text(path) for path in annotations.glob("*.xml") if path.stem in names}
    found = {name: re.search(r"<name>\s*(n\d{8})\s*</name>", text) for name, text in texts.items()}
    return {name: match[1] for name, match in found.items() if match}


def _from_devkit(folder: Path) -> Wnids:
    """The official devkit: line i has the ``ILSVRC2012_ID`` of image i, and ``meta.mat`` maps it to a wnid."""
    data = folder / _DEVKIT / "data"
    truth, meta = data / "ILSVRC2012_validation_ground_truth.txt", data / "meta.mat"
    if not (truth.is_file() and meta.is_file()):
        return {}
    wnids = _read_meta(meta)
    try:
        return {
            f"ILSVRC2012_val_{number:08d}": wnids[int(line)]
            for number, line in enumerate(read_text(truth).split(), start=1)
        }
    except (ValueError, KeyError) as error:
        raise ImageError(f"label file '{truth}' contains an id that is missing in '{meta}': {error}") from error


def _read_meta(path: Path) -> dict[int, str]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImageError(
            f"reading '{path}' needs SciPy; `pip install scipy`, or put Kaggle's LOC_val_solution.csv there"
        ) from error
    try:
        synsets: Any = loadmat(path, squeeze_me=True)["synsets"]
        return dict(zip(map(int, synsets["ILSVRC2012_ID"]), map(str, synsets["WNID"]), strict=True))
    except Exception as error:  # a damaged .mat file can raise anything
        raise ImageError(f"'{path}' is not a valid meta.mat of ImageNet's devkit: {error}") from error


def _from_list(folder: Path) -> Wnids:
    """Caffe: ``ILSVRC2012_val_00000001.JPEG 65``, the class number or its wnid."""
    path = folder / "val.txt"
    if not path.is_file():
        return {}
    rows = [line.split() for line in read_text(path).splitlines() if _VALIDATION.search(line)]
    if any(len(row) != 2 for row in rows):
        raise ImageError(f"each line of label file '{path}' must have a file name and a class number or wnid")
    return {PurePosixPath(name).stem: _wnid(label, path) for name, label in rows}


def _wnid(text: str, path: Path) -> str:
    if _WNID.fullmatch(text):
        return text
    if text.isdecimal() and int(text) < len(imagenet_wnids()):
        return imagenet_wnids()[int(text)]
    raise ImageError(f"label file '{path}' has '{text}' instead of a wnid or a class number from 0 to 999")
