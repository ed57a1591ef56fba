"""COCO: the labels of an image are the categories of the things annotated in it.

In: the folder that holds ``annotations/`` and the splits, or one split beside ``annotations/``.
Out: for each image on disk its category names; what only the JSON knows of is left out.
Knows nothing of boxes and polygons.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from unitscope.errors import ImageError
from unitscope.images.files import Labels, read_text

_FOLDER = "annotations"
_PREFIX = "instances_"


def read_labels(root: Path, ids: tuple[str, ...]) -> Labels | None:
    """Return the images and their category names, or None when there is no ``instances_*.json``.

    Raises:
        ImageError: if the annotations are broken.
    """
    beside = _annotations(root.parent / _FOLDER, root.name)
    within = {path.stem.removeprefix(_PREFIX) for path in (root / _FOLDER).glob(f"{_PREFIX}*.json")}
    if within:
        images = [image_id for image_id in ids if not image_id.startswith(f"{_FOLDER}/")]
        return _label_splits(root / _FOLDER, images, within)
    if beside.is_file():
        categories = _read_categories(beside)
        return {image_id: categories.get(image_id, ()) for image_id in ids}
    return None


def _annotations(folder: Path, split: str) -> Path:
    return folder / f"{_PREFIX}{split}.json"


def _label_splits(folder: Path, images: list[str], splits: set[str]) -> Labels:
    """Label ``…/SPLIT/FILE`` from the split's JSON, which is read once and only when the split is on disk."""
    read: dict[str, Labels] = {}
    labels: Labels = {}
    for image_id in images:
        split, name = _split_of(image_id, splits)
        if split and split not in read:
            read[split] = _read_categories(_annotations(folder, split))
        labels[image_id] = read.get(split, {}).get(name, ())
    return labels


def _split_of(image_id: str, splits: set[str]) -> tuple[str, str]:
    parts = image_id.split("/")
    depth = next((depth for depth, part in enumerate(parts[:-1]) if part in splits), None)
    return ("", image_id) if depth is None else (parts[depth], "/".join(parts[depth + 1 :]))


def _read_categories(path: Path) -> Labels:
    """Return file name → sorted distinct names of its categories."""
    content = _read_json(path)
    try:
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        found: defaultdict[Any, set[str]] = defaultdict(set)
        for annotation in content["annotations"]:
            found[annotation["image_id"]].add(names[annotation["category_id"]])
        return {str(image["file_name"]): tuple(sorted(found[image["id"]])) for image in content["images"]}
    except (KeyError, TypeError) as error:
        raise ImageError(f"label file '{path}' is not COCO's: it lacks {error}") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_text(path), object_hook=_without_polygons)
    except ValueError as error:
        raise ImageError(f"label file '{path}' is no valid JSON: {error}") from error


def _without_polygons(record: dict[str, Any]) -> dict[str, Any]:
    record.pop("segmentation", None)  # most of the file; dropped at once, or train2017 takes gigabytes
    return record
