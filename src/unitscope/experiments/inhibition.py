"""Find inhibitory units: those with dark maps on a concept, and those whose removal raises a class's logit.

In: an atlas, one of its layers, a COCO category or a class, and the network. Out: an `Inhibition`, computed by
`analyses.inhibition`.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.inhibition import MIN_IMAGES, Inhibition, Removal, logit_rise, map_contrast, require_min
from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.engine.split_runs import SplitBatch, SplitRun
from unitscope.errors import LayerError, UnitscopeError, closest
from unitscope.experiments.category_maps import (
    CategorySplit,
    Maps,
    MapSource,
    Weights,
    category_split,
    image_set,
    phi_of,
    pool_to_grid,
)
from unitscope.experiments.run_options import RunOptions
from unitscope.images import ImageSource, match_classes
from unitscope.images.reading import suggest_image_root
from unitscope.networks import Network, Preprocessing
from unitscope.scanning.atlas_network import session_of
from unitscope.units import Layer

Means = NDArray[np.float64]

MIN_CELLS = 0.5
"""Minimum number of cells that the concept, and the rest of the view, must cover for an image to count."""

ROUNDING = 1e-5
"""Changes of a logit by less than this fraction of the image's largest logit are float32 rounding errors."""

_MAX_CELL_ASPECT = 2  # cells of small maps are not exactly square


@suggest_image_root()
def category_inhibition(
    atlas: Atlas,
    layer: str | Layer,
    category: str,
    *,
    network: Network | Session | str | None = None,
    image_root: str | Path | None = None,
    options: RunOptions | None = None,
) -> Inhibition:
    """Return a layer's units, ranked by how dark their maps are on objects of a COCO category; see `map_contrast`.

    The effect of position is measured on images without the category, one for each image with it, if there are at
    least `MIN_IMAGES` of them. Each is compared under the outlines of an image with the category.

    Args:
        atlas: an atlas of a COCO folder.
        layer: a tapped layer.
        category: COCO's name of the category.
        network: the network, or a reference; needed if it was a module in Python, or comes from a file with code.
        image_root: the folder of the images, if they were moved.
        options: batch size, device, and the number of images with the category to use, evenly spaced.

    Raises:
        LayerError, AtlasError: if the layer was not tapped, its units have no position in the image, or the atlas is
            not from COCO images.
        ImageError: if there is no such category, or masks or images can't be read.
        NetworkError: if the network can't be loaded, or its preprocessing is a function, which can't transform masks.
        UnitscopeError: if fewer than `MIN_IMAGES` images show enough of the category and of the background.
    """
    options = options or RunOptions()
    found = atlas.find(layer)
    every = category_split(atlas, category, image_root=image_root)
    concept = every.limit(options.limit)
    require_min(len(concept.images), f"images with '{every.masks.category}'")
    session = session_of(atlas, network, device=options.device, batch_size=options.batch_size)
    phi = phi_of(session.network)
    check_grid(found, phi.size)
    with options.progress("maps", len(concept.images) + len(concept.others)) as on_batch:
        means = _mean_maps(MapSource(session, found, options.batch_size, on_batch), concept, phi)
    require_min(len(means.images), f"images with enough of '{every.masks.category}' and of the background in view")
    left_out = len(concept.images) - len(means.images) + every.left_out
    units = map_contrast(np.stack(means.inside), np.stack(means.outside), means.by_place)
    return Inhibition(found, every.masks.category, "map contrast", tuple(means.images), means.others, left_out, units)


@suggest_image_root()
def inhibition_by_removal(
    atlas: Atlas,
    result: Inhibition,
    *,
    class_name: str = "",
    network: Network | Session | str | None = None,
    image_root: str | Path | None = None,
    options: RunOptions | None = None,
) -> Inhibition:
    """Return an inhibition with the effect of removing each unit, alone, on a class's logit for the same images.

    Args:
        atlas: the atlas of the inhibition.
        result: from `category_inhibition` or `class_inhibition`.
        class_name: the network's class; by default the class of the concept.
        network: the network, or a reference; needed if it was a module in Python, or comes from a file with code.
        image_root: the folder of the images, if they were moved.
        options: batch size, device, and the number of images to use, evenly spaced.

    Raises:
        NetworkError: if the network can't be loaded, returns no logits, or the layer has no path to them.
        UnitscopeError: if the network has no such class, or there are fewer than `MIN_IMAGES` images.
        ImageError: if an image can't be read, or none can be decoded.
    """
    options = options or RunOptions()
    session = session_of(atlas, network, device=options.device, batch_size=options.batch_size)
    number = result.network_class
    if class_name or number is None:
        number = find_network_class(session.network, class_name or result.concept)
    some = options.select_images(image_set(atlas, result.images, image_root=image_root))
    require_min(len(some), f"images with '{result.concept}'")
    changes = logit_changes(session, some, result.layer, number, options=options)
    return result.with_removal(Removal(session.network.classes[number], logit_rise(changes)))


def find_network_class(network: Network, name: str) -> int:
    """Return the number of a network's class, given by name or wnid; see `match_classes`.

    Raises:
        UnitscopeError: if no class, or several, have that name; the message names the closest matches.
    """
    if (number := match_classes([name], network.classes, network.wnids).get(name)) is not None:
        return number
    near = closest(name, network.classes)
    hint = near or ("it has no class names" if not network.classes else "see its card or its weights for their names")
    raise UnitscopeError(
        f"'{name}' does not match exactly one class of {network.reference}; {hint}; give a class with --target-class"
    )


def logit_changes(
    network: Network | Session,
    images: ImageSource,
    layer: Layer,
    class_number: int,
    *,
    options: RunOptions | None = None,
) -> NDArray[np.float64]:
    """Return the change of a class's logit when each unit, alone, is set to zero, float64 ``[image, unit]``.

    Each image runs up to the layer once, and from there once per unit. Changes within `ROUNDING` are set to zero.

    Raises:
        NetworkError: if the network returns no logits, or the layer has no path to them.
        ImageError: if an image can't be read, or none can be decoded.
    """
    options = options or RunOptions()
    some = options.select_images(images)
    session = Session.of(network, device=options.device)
    split = SplitRun(session, session.layers.find(layer.name), some, options.batch_size)
    changes = []
    with session.inference(), options.progress("removal", len(some)) as on_batch:
        for batch in split.batches():
            changes.append(_changes(split, batch, class_number))
            on_batch(len(batch.rows))
    return np.concatenate(changes)


def inside_outside(maps: Maps | Means, weights: Weights) -> tuple[Means, Means] | None:
    """Return each unit's mean map on a concept and outside it, float64 ``[unit]``: Σwm / Σw and Σ(1-w)m / Σ(1-w).

    Return None if either covers less than `MIN_CELLS` cells.
    """
    on = weights.reshape(-1).astype(np.float64)
    if min(on.sum(), (1 - on).sum()) < MIN_CELLS:
        return None
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    return flat @ on / on.sum(), flat @ (1 - on) / (1 - on).sum()


@dataclass(frozen=True, slots=True, eq=False)
class _MapMeans:
    """For each image the means on the concept and outside it.

    ``by_place`` has the contrast of another image under the same outlines, ``[image, unit]``; NaN for images without
    such a partner, None if there are too few others.
    """

    images: list[str]
    inside: list[Means]
    outside: list[Means]
    by_place: Means | None = None
    others: int = 0


def _mean_maps(source: MapSource, concept: CategorySplit, phi: Preprocessing) -> _MapMeans:
    means = _MapMeans([], [], [])
    for image, maps in source.maps(concept.images):
        weights = pool_to_grid(concept.view(image, phi), *maps.shape[1:])
        if (parts := inside_outside(maps, weights)) is not None:
            means.images.append(image)
            means.inside.append(parts[0])
            means.outside.append(parts[1])
    others = min(len(concept.others), len(means.images))
    if others < MIN_IMAGES:
        return means
    return replace(means, others=others, by_place=_contrasts_by_place(source, concept, phi, means))


def _contrasts_by_place(source: MapSource, concept: CategorySplit, phi: Preprocessing, means: _MapMeans) -> Means:
    """Return the contrasts of images without the concept under the outlines of images with it, each image once."""
    others = concept.others.limit(len(means.images))
    by_place = np.full((len(means.images), source.layer.units), np.nan)
    partners = np.arange(len(others)) * len(means.images) // len(others)
    for (_, maps), row in zip(source.maps(others), partners, strict=True):
        weights = pool_to_grid(concept.view(means.images[row], phi), *maps.shape[1:])
        inside, outside = inside_outside(maps, weights) or (np.nan, np.nan)  # both parts are large enough, as before
        by_place[row] = inside - outside
    return by_place


def check_grid(layer: Layer, view: tuple[int, int]) -> None:
    """Check that a layer's maps are rows and columns of cells that cover a view with these rows and columns.

    The position of tokens in the image is unknown. Three axes are not sufficient either: an attention's queries have
    axes of heads and tokens, whose ratio differs from that of rows and columns.

    Raises:
        LayerError: if they are not, or have a single cell.
    """
    cells = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.unit_axis]
    if math.prod(cells) == 1:
        raise LayerError(
            f"maps of layer '{layer.name}' have a single cell, so they can't separate a concept from the background; "
            "choose a layer before the last pooling"
        )
    sides = [pixels / count for pixels, count in zip(view, cells, strict=False)]
    if len(cells) != 2 or max(sides) > _MAX_CELL_ASPECT * min(sides):
        raise LayerError(
            f"units of layer '{layer.name}' have no position in the image: its output is "
            f"{'×'.join(map(str, layer.shape))}, not maps of rows and columns; choose a layer with maps, such as a "
            "convolution, or use --class"
        )


def _changes(split: SplitRun, batch: SplitBatch, class_number: int) -> NDArray[np.float64]:
    """Return a batch's changes. Each chunk has the unmodified network as a variant, since rounding may differ."""
    single = torch.eye(split.layer.units, dtype=torch.bool)[:, None]
    unmodified, zeros = torch.zeros_like(single[:1]), torch.zeros(split.layer.units)
    changes = []
    for chunk in single.split(batch.variants_at_once):
        removed = torch.cat([unmodified, chunk]).to(batch.activations.responses.device)
        logits = _numpy(split.logits(batch, removed, zeros)[:, : len(batch.rows)])
        change = logits[1:, :, class_number] - logits[:1, :, class_number]
        change[np.abs(change) <= ROUNDING * np.abs(logits[0]).max(-1)] = 0
        changes.append(change)
    return np.concatenate(changes).T


def _numpy(values: Tensor) -> NDArray[np.float64]:
    """Return values in float64, which not all devices support."""
    return values.float().cpu().numpy().astype(np.float64)
