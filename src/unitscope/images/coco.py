"""Read COCO's annotations: the labels of an image are the categories of its annotated objects.

In: the folder that contains ``annotations/`` and the splits, or the folder of one split next to ``annotations/``.
Out: the category names of each image on disk. Bounding boxes are ignored; `coco_masks` reads the polygons.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unitscope.errors import ImageError
from unitscope.images.listing import Labels, read_text

Hook = Callable[[dict[str, Any]], dict[str, Any]]
AnnotationEntry = tuple[
    Path | None, str
]  # annotation file (None for an image outside all splits), and the image's name in it

_FOLDER = "annotations"
_PREFIX = "instances_"
_NAMES = ("_annotations.coco.json", "annotations.coco.json", "annotations.json")  # among the images
_NUMBER = re.compile(r"([+-]?\d{1,18})(?:\.0*)?", re.ASCII)


def read_labels(root: Path, ids: tuple[str, ...]) -> Labels | None:
    """Return the category names of each image, or None if there is no ``instances_*.json``.

    Raises:
        ImageError: if the annotations are invalid.
    """
    entries = find_annotations(root, ids)
    if entries is None:
        return None
    labels: Labels = {}
    for path in sorted({path for path, _ in entries.values() if path}):
        read = _read_categories(path)
        for image_id, name in matched(path, entries, read).items():
            labels[image_id] = read[name]
    return {image_id: labels.get(image_id, ()) for image_id in entries}


def matched(path: Path, entries: Mapping[str, AnnotationEntry], names: Iterable[str]) -> dict[str, str]:
    """Return the name that a label file gives each image; images that it does not name are left out.

    Names that don't fit as they stand are matched if one ends with the other, and no other image or name fits as well:
    tools write ``val/0.png``, absolute paths and the like.

    Raises:
        ImageError: if the file names images, but none of these.
    """
    wanted, known = {image_id: name for image_id, (file, name) in entries.items() if file == path}, set(names)
    found = {image_id: name for image_id, name in wanted.items() if name in known}
    by_last: defaultdict[str, list[str]] = defaultdict(list)
    for name in known - set(found.values()):
        by_last[_parts(name)[-1]].append(name)
    guessed = {
        image_id: best
        for image_id, name in wanted.items()
        if image_id not in found and (best := _best(name, by_last[_parts(name)[-1]]))
    }
    once = Counter(guessed.values())
    found |= {image_id: name for image_id, name in guessed.items() if once[name] == 1}
    if known and wanted and not found:
        raise ImageError(
            f"label file '{path}' names none of these images, such as '{min(wanted)}', but for example '{min(known)}'; "
            "correct its 'file_name', or remove it"
        )
    return found


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part] or [""]


def _best(name: str, candidates: list[str]) -> str:
    """Return the candidate that ends with a name, or that the name ends with; the longest one, if it is alone."""
    own = _parts(name)
    lengths = {other: min(len(own), len(parts)) for other in candidates if _is_end(own, parts := _parts(other))}
    best = [other for other, length in lengths.items() if length == max(lengths.values())]
    return best[0] if len(best) == 1 else ""


def _is_end(one: list[str], other: list[str]) -> bool:
    shorter = min(len(one), len(other))
    return one[-shorter:] == other[-shorter:]


def find_annotations(root: Path, ids: tuple[str, ...]) -> dict[str, AnnotationEntry] | None:
    """Return the annotation file of each image, or None if there is none.

    An annotation file is used only if the folder of its split exists, or if it is the only one and no folder is a
    split. Files in ``annotations/`` are not images. Without ``instances_*.json``, annotations in the folders of the
    images are used.
    """
    beside = _annotations(root.parent / _FOLDER, root.name)
    within = {path.stem.removeprefix(_PREFIX) for path in (root / _FOLDER).glob(f"{_PREFIX}*.json")}
    if within:
        images = [image_id for image_id in ids if not image_id.startswith(f"{_FOLDER}/")]
        splits = {image_id: _split_of(image_id, within) for image_id in images}
        if len(within) == 1 and not any(split for split, _ in splits.values()):  # CVAT: instances_default.json, images/
            splits = {image_id: (min(within), image_id) for image_id in images}
        return {
            image_id: (_annotations(root / _FOLDER, split) if split else None, name)
            for image_id, (split, name) in splits.items()
        }
    if beside.is_file():
        return {image_id: (beside, image_id) for image_id in ids}
    return _among_images(root, ids)


def _among_images(root: Path, ids: tuple[str, ...]) -> dict[str, AnnotationEntry] | None:
    """Return the annotation file in the folder of each image, or above it; None if there is none."""
    parents = {image_id.rpartition("/")[0] for image_id in ids}
    folders = {"", *("/".join(p.split("/")[:n]) for p in parents for n in range(1, p.count("/") + 2))}
    beside = {folder: [f"{folder}/{name}".lstrip("/") for name in _NAMES] for folder in folders}
    files = {folder: found[0] for folder, names in beside.items() if (found := [n for n in names if _is_coco(root, n)])}
    if not files:
        return None
    entries: dict[str, AnnotationEntry] = {}
    for image_id in set(ids) - set(files.values()):
        parts = image_id.split("/")
        depth = next((n for n in range(len(parts) - 1, -1, -1) if "/".join(parts[:n]) in files), None)
        path = None if depth is None else root / files["/".join(parts[:depth])]
        entries[image_id] = (path, "/".join(parts[depth or 0 :]))
    return dict(sorted(entries.items()))


def _is_coco(root: Path, name: str) -> bool:
    path = root / name
    if not path.is_file() or path.name != "annotations.json":
        return path.is_file()
    try:
        content = read_json(path, without_polygons)
    except ImageError:
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= set(content)


def _annotations(folder: Path, split: str) -> Path:
    return folder / f"{_PREFIX}{split}.json"


def _split_of(image_id: str, splits: set[str]) -> tuple[str, str]:
    parts = image_id.split("/")
    depth = next((depth for depth, part in enumerate(parts[:-1]) if part in splits), None)
    return ("", image_id) if depth is None else (parts[depth], "/".join(parts[depth + 1 :]))


def _read_categories(path: Path) -> Labels:
    """Return a dict from file name to the sorted category names of the image."""
    content = read_json(path, without_polygons)
    with format_errors(path):
        names = texts_by_id(content["categories"], "name")
        files = texts_by_id(content["images"], "file_name")
        found: dict[str, set[str]] = {file: set() for file in files.values()}
        for annotation in content["annotations"]:
            category, image = id_key(annotation["category_id"]), id_key(annotation["image_id"])
            if category not in names:
                raise ValueError(f"an annotation has the category {category}, which 'categories' does not have")
            if image in files:
                found[files[image]].add(names[category])
        return {file: tuple(sorted(labels)) for file, labels in found.items()}


def texts_by_id(records: Iterable[Mapping[str, Any]], key: str) -> dict[int | str, str]:
    """Return one text of each record of a label file, by the record's id.

    Raises:
        ValueError: if two records have the same id and different texts.
    """
    found: dict[int | str, str] = {}
    for record in records:
        number, text = id_key(record["id"]), str(record[key])
        if found.setdefault(number, text) != text:
            raise ValueError(f"two records have the id {number}, '{found[number]}' and '{text}'")
    return found


def id_key(value: Any) -> int | str:
    """Return an id for comparison: 139, 139.0, ``"139"`` and ``"000000000139"`` are equal.

    Raises:
        TypeError: if it is neither a number nor text.
    """
    if type(value) is int:  # as in COCO's own files, which have millions
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{str(value)[:40]!r} is not an id")
    text = str(value).strip()
    return int(match[1]) if (match := _NUMBER.fullmatch(text)) else text


@contextmanager
def format_errors(path: Path) -> Iterator[None]:
    """Raise ImageError for what a label file lacks, or has in another form."""
    try:
        yield
    except KeyError as error:
        raise ImageError(f"label file '{path}' is not in COCO's format: it has no {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ImageError(f"label file '{path}' is not in COCO's format: {error}") from error


def read_json(path: Path, hook: Hook) -> Any:
    """Return the content of a JSON label file; ``hook`` is applied to each record as soon as it is read.

    Raises:
        ImageError: if the file can't be read or is not valid JSON.
    """
    try:
        return json.loads(read_text(path), object_hook=hook)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"label file '{path}' is not valid JSON: {error}") from error


def without_polygons(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without its polygons, which would take gigabytes of memory for train2017."""
    record.pop("segmentation", None)
    return record
