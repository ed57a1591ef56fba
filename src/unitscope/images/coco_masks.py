"""COCO's outlines: where in an image the things of one category are.

In: a COCO image set and a category's name. Out: the images that have it, and for each a mask, drawn when asked for.
Only that category's outlines are kept: those of all would take gigabytes. Knows no networks and no maps.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from unitscope.errors import ImageError, closest
from unitscope.images.coco import find_annotations, read_json, without_polygons
from unitscope.images.decoding import turned
from unitscope.images.source import ImageSource

Mask = NDArray[np.uint8]

_FINE_PIXELS = 16_000_000  # of the canvas on which a polygon is drawn


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """The things of one category in one image.

    Attributes:
        height: of the image when it was annotated.
        width: likewise.
        shapes: COCO's segmentations: lists of polygons ``[x, y, x, y, …]``, or runs of pixels for a crowd.
    """

    height: int
    width: int
    shapes: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CategoryMasks:
    """Where the things of one category are, image by image.

    Attributes:
        category: its name, as COCO writes it.
        root: the folder that holds the images.
        outlines: image id → its outlines, for the images that have the category, in the order of their ids.
    """

    category: str
    root: str
    outlines: dict[str, Outlines] = field(repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """The images that have the category."""
        return tuple(self.outlines)

    def mask(self, image: str) -> Mask:
        """Return the mask of all the category's things in an image, ``[row, column]`` of the annotation.

        It says how much of a pixel the nearest thing covers, 0 to 255.

        Like the polygons it lies on the pixels as they are stored in the file; see `upright_mask`.

        Raises:
            ImageError: if the image's outlines are broken.
        """
        found = self.outlines[image]
        mask = np.zeros((found.height, found.width), np.uint8)
        try:
            for shape in found.shapes:
                np.maximum(mask, _draw(shape, found.height, found.width), out=mask)
        except (TypeError, ValueError, KeyError) as error:
            raise ImageError(f"COCO's outline of a '{self.category}' in '{image}' can't be read: {error}") from error
        return mask

    def upright_mask(self, image: str) -> Mask:
        """Return the mask turned as EXIF turns the image, so that it lies on what `decode` gives.

        Raises:
            ImageError: if the image's outlines are broken, or its file can't be read.
        """
        return np.array(turned(Image.fromarray(self.mask(image)), Path(self.root, image)))


def category_masks(images: ImageSource, category: str) -> CategoryMasks:
    """Return where the things of a category are in a COCO image set; case doesn't matter in its name.

    Raises:
        ImageError: if the images are not COCO's, there is no such category, or the annotations are broken.
    """
    places = find_annotations(Path(images.root), images.ids) if images.layout == "coco" else None
    if places is None:
        raise ImageError(
            f"the images in '{images.root}' have no outlines to find '{category}' by: "
            "these are read from COCO's annotations/instances_*.json"
        )
    files = sorted({path for path, _ in places.values() if path})
    names = {path: _names(path) for path in files}
    name = _find(category, [name for known in names.values() for name in known.values()])
    found = {path: _outlines(path, {n for n, known in names[path].items() if known == name}) for path in files}
    has = {image: found[path].get(file) for image, (path, file) in places.items() if path}
    return CategoryMasks(name, images.root, {image: outlines for image, outlines in has.items() if outlines})


def _names(path: Path) -> dict[Any, str]:
    """Category number → name; the list stands behind the outlines in COCO's files, so this is a pass of its own."""
    content = read_json(path, without_polygons)
    with _told(path):
        return {category["id"]: str(category["name"]) for category in content["categories"]}


def _find(category: str, names: list[str]) -> str:
    for name in names:
        if name.casefold() == category.casefold():
            return name
    near = closest(category, names)
    raise ImageError(f"COCO's annotations have no category '{category}'; {near or 'known: ' + _some(names)}")


def _some(names: list[str]) -> str:
    known = sorted(set(names))
    return ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")


def _outlines(path: Path, categories: set[Any]) -> dict[str, Outlines]:
    """File name → outlines, for the images that have one of the categories."""

    def only_these(record: dict[str, Any]) -> dict[str, Any]:
        return record if record.get("category_id") in categories else without_polygons(record)

    content = read_json(path, only_these)
    shapes: defaultdict[Any, list[Any]] = defaultdict(list)
    with _told(path):
        for annotation in content["annotations"]:
            if annotation["category_id"] in categories:
                shapes[annotation["image_id"]].append(annotation["segmentation"])
        return {
            str(image["file_name"]): Outlines(image["height"], image["width"], tuple(shapes[image["id"]]))
            for image in content["images"]
            if image["id"] in shapes
        }


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError) as error:
        raise ImageError(f"label file '{path}' is not COCO's: it lacks {error}") from error


def _draw(shape: Any, height: int, width: int) -> Mask:
    """One thing's mask, of polygons or of uncompressed runs."""
    if isinstance(shape, dict):
        return _runs(shape["counts"], *shape["size"])
    mask = np.zeros((height, width), np.uint8)
    for polygon in shape:
        if len(polygon) >= 6:  # a point or a line encloses nothing
            points = np.clip(np.reshape(np.asarray(polygon, np.float64), (-1, 2)), 0, (width, height))
            _fill(mask, points)
    return mask


def _fill(mask: Mask, points: NDArray[np.float64]) -> None:
    """Put a polygon ``[point, xy]`` on a mask: drawn as finely as memory allows, then averaged over the pixels.

    COCO counts from a pixel's corner, Pillow from its centre; Pillow also fills all that an edge touches, which at the
    pixels' own size would make small things a tenth too large.
    """
    left, top = np.floor(points.min(0)).astype(int)
    right, bottom = np.maximum(np.ceil(points.max(0)).astype(int), (left + 1, top + 1))
    finer = int(np.clip(np.sqrt(_FINE_PIXELS / ((right - left) * (bottom - top))), 4, 32))
    canvas = Image.new("L", (finer * int(right - left), finer * int(bottom - top)))
    ImageDraw.Draw(canvas).polygon((finer * (points - (left, top)) - 0.5).ravel().tolist(), fill=255)
    part = mask[top:bottom, left:right]
    drawn = np.array(canvas.reduce(finer))
    np.maximum(part, drawn[: part.shape[0], : part.shape[1]], out=part)


def _runs(counts: list[int], height: int, width: int) -> Mask:
    """COCO's runs: so many pixels out, so many in, and so on, down one column after the other."""
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return (255 * inside).astype(np.uint8).reshape(width, height).T
