"""Segmentation masks of one COCO category.

In: a COCO image set and a category's name. Out: the images with that category, and a mask for each, drawn on demand.
Keeps the polygons of this category only, since those of all categories take gigabytes. Independent of networks and
maps.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from unitscope.errors import ImageError, closest
from unitscope.images.coco import (
    find_annotations,
    format_errors,
    id_key,
    matched,
    read_json,
    texts_by_id,
    without_polygons,
)
from unitscope.images.decoding import apply_orientation
from unitscope.images.folder import ContainedFolder
from unitscope.images.limits import MAX_PIXELS
from unitscope.images.source import ImageSource

Mask = NDArray[np.uint8]

_MAX_CANVAS = 16_000_000  # pixels of the enlarged canvas on which a polygon is drawn


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """The objects of one category in one image.

    Attributes:
        height: height of the annotated image.
        width: width of the annotated image.
        shapes: COCO's segmentations: lists of polygons ``[x, y, x, y, …]``, or run-length encodings of crowds; None or
            empty for an object with a box only.
    """

    height: int
    width: int
    shapes: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class CategoryMasks:
    """Masks of one category.

    Attributes:
        category: the category's name, as spelled by COCO.
        images: opens the images.
        outlines: outlines by image id, for the images with the category, ordered by id.
        boxed: ids of further images with the category, of which an object has a box only, so that they have no mask.
    """

    category: str
    images: ImageSource
    outlines: dict[str, Outlines] = field(repr=False)
    boxed: frozenset[str] = frozenset()

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the images with the category."""
        return tuple(self.outlines)

    def mask(self, image: str) -> Mask:
        """Return the mask of all the category's objects in an image, uint8 ``[row, column]``.

        Values are the fraction of a pixel that an object covers, 0 to 255; the largest where objects overlap. The mask
        is aligned with the pixels as stored in the file; see `upright_mask`.

        Raises:
            ImageError: if the image's segmentations are invalid.
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
        """Return the mask rotated by the image's EXIF orientation, so that it is aligned with `decode`'s output.

        A mask whose width and height are those of the upright image, not of the stored one, is not rotated.

        Raises:
            ImageError: if the image's segmentations are invalid, or its file can't be read.
        """
        return np.array(apply_orientation(Image.fromarray(self.mask(image)), self.images, self._rows[image]))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image: row for row, image in enumerate(self.images.ids)}


def category_masks(images: ImageSource, category: str) -> CategoryMasks:
    """Return the masks of a category in a COCO image set; upper and lower case of its name are equal.

    Raises:
        ImageError: if the images are not from COCO, there is no such category, or the annotations are invalid, or
            outside the folder of the images, which only an atlas names.
    """
    entries = find_annotations(Path(images.root), images.ids) if images.layout == "coco" else None
    if entries is None:
        raise ImageError(
            f"the images in '{images.root}' have no segmentations of '{category}': "
            "give a folder in COCO's layout, with its JSON file of annotations beside or above the images"
        )
    files = sorted({path for path, _ in entries.values() if path})
    if isinstance(images, ContainedFolder):
        for path in files:
            images.check(path, f"label file '{path}' is outside")
    names = {path: _names(path) for path in files}
    name = _find(category, [name for known in names.values() for name in known.values()])
    found = {path: _outlines(path, {n for n, known in names[path].items() if known == name}) for path in files}
    by_image: dict[str, Outlines] = {}
    for path, (outlines, listed) in found.items():
        of_image = matched(path, entries, listed)
        by_image |= {image: outlines[file] for image, file in of_image.items() if file in outlines}
    complete = {image: by_image[image] for image in images.ids if image in by_image and all(by_image[image].shapes)}
    if by_image and not complete:
        listed_in = " and ".join(f"'{path}'" for path in files)
        raise ImageError(
            f"label file {listed_in} has objects of '{name}' with a box only; masks need outlines ('segmentation')"
        )
    return CategoryMasks(name, images, complete, frozenset(by_image.keys() - complete.keys()))


def _names(path: Path) -> dict[int | str, str]:
    """Return category names by number; in a pass of its own, since COCO's files list them after the polygons."""
    content = read_json(path, without_polygons)
    with format_errors(path):
        return texts_by_id(content["categories"], "name")


def _find(category: str, names: list[str]) -> str:
    for name in names:
        if name.casefold() == category.casefold():
            return name
    near = closest(category, names)
    raise ImageError(f"COCO's annotations have no category '{category}'; {near or 'known: ' + _first_few(names)}")


def _first_few(names: list[str]) -> str:
    known = sorted(set(names))
    return ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")


def _outlines(path: Path, categories: set[int | str]) -> tuple[dict[str, Outlines], list[str]]:
    """Return outlines by file name, for the images with one of these categories; and all file names."""

    def drop_others(record: dict[str, Any]) -> dict[str, Any]:
        category = record.get("category_id")
        wanted = isinstance(category, int | float | str) and str(category) and id_key(category) in categories
        return record if wanted else without_polygons(record)

    content = read_json(path, drop_others)
    shapes: defaultdict[int | str, list[Any]] = defaultdict(list)
    with format_errors(path):
        for annotation in content["annotations"]:
            if id_key(annotation["category_id"]) in categories:
                shapes[id_key(annotation["image_id"])].append(annotation.get("segmentation"))
        files = texts_by_id(content["images"], "file_name")
        outlines: dict[str, Outlines] = {}
        for image in content["images"]:
            if (number := id_key(image["id"])) in shapes:
                file = files[number]
                earlier = outlines[file].shapes if file in outlines else ()
                outlines[file] = Outlines(*_sides(image), (*earlier, *shapes.pop(number)))
        return outlines, list(files.values())


def _sides(image: dict[str, Any]) -> tuple[int, int]:
    """Return the height and width of an annotated image in pixels."""
    if image.get("height") is None or image.get("width") is None:
        raise ValueError(f"image '{image['file_name']}' has no 'height' or 'width', which masks need")
    height, width = _side(image["height"]), _side(image["width"])
    if height * width > MAX_PIXELS:
        raise ValueError(f"image '{image['file_name']}' has {height} × {width} pixels, over the limit of {MAX_PIXELS}")
    return height, width


def _side(value: Any) -> int:
    """Return a width or height in pixels, which some tools write as 48.0 or as text."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = 0.0
    if not number.is_integer() or not 1 <= number < 2**16:
        raise TypeError(f"{str(value)[:20]!r} is not a width or height in pixels")
    return int(number)


def _draw(shape: Any, height: int, width: int) -> Mask:
    """Return one object's mask, from polygons or a run-length encoding."""
    if isinstance(shape, dict):
        counts = shape["counts"]
        runs = _runs(counts) if isinstance(counts, str) else counts
        return _decode_runs([int(run) for run in runs], *map(_side, shape["size"]))
    mask = np.zeros((height, width), np.uint8)
    for points in _polygons(shape):
        _fill_polygon(mask, np.clip(points, 0, (width, height)))
    return mask


def _polygons(shape: Any) -> list[NDArray[np.float64]]:
    """Return the polygons ``[point, xy]`` of an outline, of three points or more; some tools write one as it is."""
    if not isinstance(shape, list):
        raise TypeError(f"{str(shape)[:20]!r} is not a list of polygons")
    flat = all(isinstance(part, int | float) or (isinstance(part, list) and len(part) == 2) for part in shape)
    polygons = [np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in ([shape] if flat else shape)]
    if not all(np.isfinite(points).all() for points in polygons):
        raise ValueError("a coordinate is not a finite number")
    return [points for points in polygons if len(points) >= 3]  # COCO itself has points and lines, which have no area


def _fill_polygon(mask: Mask, points: NDArray[np.float64]) -> None:
    """Draw a polygon ``[point, xy]`` onto a mask: enlarged as far as memory allows, then averaged per pixel.

    COCO's coordinates start at a pixel's corner, Pillow's at its centre. Pillow also fills every pixel that an edge
    touches, which would make small objects a tenth too large without enlarging.
    """
    left, top = np.floor(points.min(0)).astype(int)
    right, bottom = np.maximum(np.ceil(points.max(0)).astype(int), (left + 1, top + 1))
    factor = int(np.clip(np.sqrt(_MAX_CANVAS / ((right - left) * (bottom - top))), 4, 32))
    canvas = Image.new("L", (factor * int(right - left), factor * int(bottom - top)))
    ImageDraw.Draw(canvas).polygon((factor * (points - (left, top)) - 0.5).ravel().tolist(), fill=255)
    part = mask[top:bottom, left:right]
    drawn = np.array(canvas.reduce(factor))
    np.maximum(part, drawn[: part.shape[0], : part.shape[1]], out=part)


def _runs(text: str) -> list[int]:
    """Return the run lengths of COCO's compressed encoding (``rleFrString`` in its API).

    A character holds five bits and whether more follow; from the fourth on, a number is the difference from the number
    two before it.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"the run lengths have the character {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


def _decode_runs(counts: list[int], height: int, width: int) -> Mask:
    """Decode COCO's run lengths, which alternate between background and object, column by column."""
    if min(counts, default=0) < 0:
        raise ValueError("a run length is negative")
    if sum(counts) != height * width or height * width > MAX_PIXELS:
        raise ValueError(f"the run lengths add up to {sum(counts)}, not to {height} × {width}")
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return (255 * inside).astype(np.uint8).reshape(width, height).T
