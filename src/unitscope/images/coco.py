"""COCO's layout: ``annotations/instances_*.json`` beside or above folders of images.

In: a folder and the ids in it. Out: each image's category names.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unitscope.errors import ImageError

Labels = tuple[tuple[str, ...], ...]


def annotation_files(root: Path) -> list[Path]:
    """Return the annotation files that belong to a folder: its own, or that of the split which the folder is."""
    own = sorted((root / "annotations").glob("instances_*.json"))
    above = root.resolve().parent / "annotations" / f"instances_{root.resolve().name}.json"
    return own or ([above] if above.is_file() else [])


def labels(root: Path, ids: Sequence[str], annotations: Sequence[Path]) -> Labels:
    """Return each image's categories, by name and sorted; none for an image that is not annotated.

    Raises:
        ImageError: if an annotation file can't be read.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for file in annotations:
        split = file.stem.removeprefix("instances_")
        for name, category in _pairs(file):
            known[f"{split}/{name}"].add(category)
    prefix = "" if (root / "annotations").is_dir() else f"{root.resolve().name}/"
    return tuple(tuple(sorted(known.get(prefix + name, ()))) for name in ids)


def _pairs(file: Path) -> list[tuple[str, str]]:
    """File names and category names, one pair an annotation."""
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        categories = {category["id"]: category["name"] for category in content["categories"]}
        return [
            (names[annotation["image_id"]], categories[annotation["category_id"]])
            for annotation in content["annotations"]
            if annotation["image_id"] in names
        ]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ImageError(
            f"'{file}' is not a COCO instances file ({type(problem).__name__}: {problem}); mend or remove it"
        ) from problem
