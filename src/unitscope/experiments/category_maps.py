"""Where a concept lies in what a network sees: COCO's masks carried the way of the pictures, down to a map's cells.

In: an atlas, a category; a mask and φ. Out: the images that show the category; how much of each cell it covers.
Knows nothing of units: `inhibition` weighs their maps with this.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    """The readable images of an atlas that show a category, those that don't, and where in the former it is."""

    images: ImageSource
    others: ImageSource
    masks: CategoryMasks

    def limit(self, count: int | None) -> "CategorySplit":
        """Return at most so many of the images, evenly spaced, and as many others; all images without a count."""
        images = self.images if count is None else self.images.limit(count)
        return replace(self, images=images, others=self.others.limit(max(1, len(images))))

    def view(self, image: str, phi: Preprocessing) -> Weights:
        """Return how much of each pixel that the network sees the category covers, 0 to 1, ``[row, column]``."""
        return warp_mask(self.masks.upright_mask(image), phi)


@dataclass(frozen=True, eq=False)
class MapSource:
    """Runs images in batches and gives one layer's maps; `on_batch` is told the number of images after each batch."""

    session: Session
    layer: Layer
    on_batch: Callable[[int], None]

    def maps(self, images: ImageSource) -> Iterator[tuple[str, Maps]]:
        """Yield each image's id and maps ``[unit, row, column]``, in the order of the images.

        Raises:
            ImageError: if one of them can't be read (any more).
        """
        tapped = self.session.layers.find(self.layer.name)
        for batch, outputs in self.session.stream(images, maps=[tapped]):
            for picture in batch.pictures:
                if picture.error:
                    raise ImageError(f"{picture.error}; give their folder with --image-root, or scan again")
            assert outputs is not None
            for picture, output in zip(batch.pictures, outputs.maps[0], strict=True):
                yield images.ids[picture.image], plane(output, tapped)
            self.on_batch(len(batch.pictures))

    def mean(self, images: ImageSource) -> NDArray[np.float64]:
        """Return the mean of the images' maps, float64 ``[unit, row, column]``."""
        total = sum(maps.astype(np.float64) for _, maps in self.maps(images))
        return np.asarray(total) / len(images)


def category_split(atlas: Atlas, category: str, *, root: str | Path | None = None) -> CategorySplit:
    """Return the readable images of a COCO atlas that show a category.

    Args:
        atlas: made of a COCO folder.
        category: as COCO names it; case doesn't matter.
        root: where the images are now, if they have moved.

    Raises:
        AtlasError: if the atlas is not of COCO's images.
        ImageError: if there is no such category, or the annotations are not where they were, or broken.
    """
    scanned = atlas.manifest.images
    if scanned["layout"] != "coco":
        raise AtlasError(
            f"the images of atlas '{atlas.path}' ({scanned['layout']}) have no segmentations of '{category}'; "
            "scan a folder with COCO's annotations, or ask about a class"
        )
    every = image_set(atlas, atlas.images["image"].iloc[atlas.readable], root=root)
    masks = category_masks(every, category)
    without = [image for image in every.ids if image not in masks.outlines]
    return CategorySplit(image_set(atlas, masks.ids, root=root), image_set(atlas, without, root=root), masks)


def image_set(atlas: Atlas, ids: Iterable[str], *, root: str | Path | None = None) -> ImageSource:
    """Return some of an atlas's images, without their labels; root is where they are now, if they have moved."""
    return atlas.source(root, ids=ids)


def phi_of(network: Network) -> Preprocessing:
    """Return a network's φ, if masks can go its way.

    Raises:
        NetworkError: if it is a function, whose geometry is not known.
    """
    if isinstance(network.preprocessing, CustomPreprocessing):
        raise NetworkError(
            f"the preprocessing of {network.reference} is a function, so nobody knows where in its output an outline "
            "lies; give a preprocessing by its values (resize, crop, mean, std), or ask about a class"
        )
    return network.preprocessing


def warp_mask(mask: Mask, phi: Preprocessing) -> Weights:
    """Return a mask as the network would see it, 0 to 1, ``[row, column]``: resized and cropped like its picture."""
    prepared = phi.prepare(Image.fromarray(mask).convert("RGB"))
    return np.asarray(prepared[0].cpu().numpy() / 255, np.float32)


def pool_to_grid(view: Weights, rows: int, columns: int) -> Weights:
    """Return the mean of a view over each cell of a grid laid over it, float32 ``[row, column]``; areas are exact."""
    down, across = _shares(view.shape[0], rows), _shares(view.shape[1], columns)
    return np.asarray(down @ view @ across.T, np.float32)


def _shares(pixels: int, cells: int) -> NDArray[np.float64]:
    """Which share of each of some cells each of a line of pixels is, ``[cell, pixel]``."""
    edges, starts = np.linspace(0, pixels, cells + 1), np.arange(pixels)
    overlaps = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    shares: NDArray[np.float64] = overlaps.clip(0) * cells / pixels
    return shares
