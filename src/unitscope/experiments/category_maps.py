"""Transform COCO's masks like the images, down to the cells of an activation map.

In: an atlas and a category; a mask and a preprocessing. Out: the images with the category; the fraction of each cell
that it covers. Independent of units; `inhibition` weights their maps with these fractions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unitscope.analyses.near_duplicates import near_duplicate_groups
from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.errors import AtlasError, ImageError, NetworkError
from unitscope.graph.spatial_maps import plane
from unitscope.images import ImageSource
from unitscope.images.coco_masks import CategoryMasks, Mask, category_masks
from unitscope.networks import CustomPreprocessing, Network, Preprocessing
from unitscope.units import Layer

Weights = NDArray[np.float32]
Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CategorySplit:
    """The readable images of an atlas with a category, those without it, and the category's masks.

    Of near-duplicates only the first is kept. ``left_out`` is the number of further images with the category: those
    near-duplicates, and images of which an object has no outline.
    """

    images: ImageSource
    others: ImageSource
    masks: CategoryMasks
    left_out: int

    def limit(self, count: int | None) -> "CategorySplit":
        """Return at most ``count`` images with the category, evenly spaced, and as many others; None for all images."""
        images = self.images if count is None else self.images.limit(count)
        return replace(self, images=images, others=self.others.limit(max(1, len(images))))

    def view(self, image: str, phi: Preprocessing) -> Weights:
        """Return the fraction of each pixel of the network's input that the category covers, ``[row, column]``."""
        return warp_mask(self.masks.upright_mask(image), phi)


@dataclass(frozen=True, eq=False)
class MapSource:
    """Runs images in batches and returns one layer's maps; calls ``on_batch`` with the number of images per batch."""

    session: Session
    layer: Layer
    batch_size: int | None
    on_batch: Callable[[int], None]

    def maps(self, images: ImageSource) -> Iterator[tuple[str, Maps]]:
        """Yield each image's id and maps ``[unit, row, column]``, in the order of the images.

        Raises:
            ImageError: if an image can't be read.
        """
        tapped = self.session.layers.find(self.layer.name)
        for batch, outputs in self.session.stream(images, maps=[tapped], batch_size=self.batch_size):
            for picture in batch.pictures:
                if picture.error:
                    raise ImageError(f"{picture.error}; give their folder with --image-root, or scan again")
            assert outputs is not None
            for picture, output in zip(batch.pictures, outputs.maps[0], strict=True):
                yield images.ids[picture.image], plane(output, tapped)
            self.on_batch(len(batch.pictures))


def category_split(atlas: Atlas, category: str, *, image_root: str | Path | None = None) -> CategorySplit:
    """Return the readable images of a COCO atlas with and without a category; near-duplicates count once.

    Args:
        atlas: an atlas of a COCO folder.
        category: COCO's name of the category; upper and lower case are equal.
        image_root: the folder of the images, if they were moved.

    Raises:
        AtlasError: if the atlas is not from COCO images.
        ImageError: if there is no such category, or the annotations are missing or invalid.
    """
    scanned = atlas.manifest.images
    if scanned["layout"] != "coco":
        raise AtlasError(
            f"the images of atlas '{atlas.path}' ({scanned['layout']}) have no segmentations of '{category}'; "
            "scan a folder with COCO's annotations, or use --class"
        )
    every = image_set(atlas, atlas.images["image"].iloc[atlas.readable], image_root=image_root)
    masks = category_masks(every, category)
    without = [image for image in every.ids if image not in masks.outlines and image not in masks.boxed]
    distinct, others = (distinct_images(atlas, ids) for ids in (masks.ids, without))
    return CategorySplit(
        image_set(atlas, distinct, image_root=image_root),
        image_set(atlas, others, image_root=image_root),
        masks,
        len(masks.ids) - len(distinct) + len(masks.boxed),
    )


def distinct_images(atlas: Atlas, ids: Sequence[str]) -> list[str]:
    """Return the ids without near-duplicates, which are not independent: the first of each group."""
    rows = np.array([atlas.image_number(image) for image in ids], np.int64)
    first = np.unique(near_duplicate_groups(atlas, rows), return_index=True)[1]
    return [ids[number] for number in sorted(first)]


def image_set(atlas: Atlas, ids: Iterable[str], *, image_root: str | Path | None = None) -> ImageSource:
    """Return some of an atlas's images, without labels; ``image_root`` is their folder, if they were moved."""
    return atlas.source(image_root, ids=ids)


def phi_of(network: Network) -> Preprocessing:
    """Return a network's preprocessing, which must be able to transform masks.

    Raises:
        NetworkError: if the preprocessing is a function, since its geometry is unknown.
    """
    if isinstance(network.preprocessing, CustomPreprocessing):
        raise NetworkError(
            f"the preprocessing of {network.reference} is a function, so masks can't be transformed like the images; "
            "give a preprocessing by its parameters (resize, crop, mean, std), or use --class"
        )
    return network.preprocessing


def warp_mask(mask: Mask, phi: Preprocessing) -> Weights:
    """Return a mask, resized and cropped like its image, 0 to 1, ``[row, column]``."""
    prepared = phi.prepare(Image.fromarray(mask).convert("RGB"))
    return np.asarray(prepared[0].cpu().numpy() / 255, np.float32)


def pool_to_grid(view: Weights, rows: int, columns: int) -> Weights:
    """Return the mean of a view over each cell of a grid, float32 ``[row, column]``, with exact areas."""
    down, across = _shares(view.shape[0], rows), _shares(view.shape[1], columns)
    return np.asarray(down @ view @ across.T, np.float32)


def _shares(pixels: int, cells: int) -> NDArray[np.float64]:
    """Return the fraction of each cell's length that each pixel covers, ``[cell, pixel]``."""
    edges, starts = np.linspace(0, pixels, cells + 1), np.arange(pixels)
    overlaps = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    shares: NDArray[np.float64] = overlaps.clip(0) * cells / pixels
    return shares
