"""Inhibitory units, found: maps that are dark on a concept, and units whose removal raises a class's logit.

In: an atlas, one of its layers, a COCO category or a class, and the network. Out: an `Inhibition`, whose numbers are
the work of `analyses.inhibition`.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unitscope.analyses.inhibition import MIN_IMAGES, Inhibition, Removal, logit_rise, map_contrast, require_min
from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.engine.split_runs import CutBatch, SplitRun
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
from unitscope.networks import Network, Preprocessing
from unitscope.scanning.atlas_network import session_of
from unitscope.units import Layer

Means = NDArray[np.float64]

MIN_CELLS = 0.5
"""Cells that a concept, and the rest of the view, must cover at least for an image to count."""

ROUNDING = 1e-5
"""A change of a logit by less than this share of the image's greatest logit is float32's, not the unit's."""

_LONGEST_CELL = 2  # a cell's longer side by its shorter: small maps of odd views are never quite square


def category_inhibition(
    atlas: Atlas,
    layer: str | Layer,
    category: str,
    *,
    network: Network | Session | None = None,
    images: str | Path | None = None,
    running: RunOptions | None = None,
) -> Inhibition:
    """Return a layer's units by how dark their maps are on the things of a COCO category; see `map_contrast`.

    What a unit's place in the picture explains is measured on as many images without the category, where there are
    `MIN_IMAGES` of them.

    Args:
        atlas: made of a COCO folder.
        layer: one that was tapped.
        category: as COCO names it.
        network: needed only for an atlas of a module given from Python, which can't be loaded again.
        images: where the images are now, if they have moved.
        running: batch size, device, and the limit: of the images that have the category, evenly spaced.

    Raises:
        LayerError, AtlasError: if the layer was not tapped, nobody knows where in the view its units look, or the atlas
            is not of COCO's images.
        ImageError: if there is no such category, or outlines or images can't be read.
        NetworkError: if the network can't be loaded, or its φ is a function, which can't carry outlines.
        UnitscopeError: if fewer than `MIN_IMAGES` images show enough of the category and enough else.
    """
    running = running or RunOptions()
    found = atlas.find(layer)
    every = category_split(atlas, category, root=images)
    concept = every.limit(running.limit)
    require_min(len(concept.images), f"images with '{every.masks.category}'")
    session = session_of(atlas, network, device=running.device, batch_size=running.batch_size)
    phi = phi_of(session.network)
    check_grid(found, phi.size)
    with running.counting("maps", len(concept.images) + len(concept.others)) as on_batch:
        seen = _see(MapSource(session, found, on_batch), concept, phi)
    require_min(len(seen.images), f"images with enough of '{every.masks.category}', and enough else, in view")
    left_out = len(concept.images) - len(seen.images)
    by_place = np.stack(seen.by_place) if seen.others else None
    units = map_contrast(np.stack(seen.inside), np.stack(seen.outside), by_place)
    return Inhibition(found, every.masks.category, "map contrast", tuple(seen.images), seen.others, left_out, units)


def inhibition_by_removal(
    atlas: Atlas,
    found: Inhibition,
    *,
    class_name: str = "",
    network: Network | Session | None = None,
    images: str | Path | None = None,
    running: RunOptions | None = None,
) -> Inhibition:
    """Return an inhibition with what the removal of each unit, alone, does to a class's logit on the same images.

    Args:
        atlas: that the inhibition is from.
        found: from `category_inhibition` or `class_inhibition`.
        class_name: the network's class; where left out, the one that the concept is.
        network: needed only for an atlas of a module given from Python.
        images: where the images are now, if they have moved.
        running: batch size, device, and the limit: of the images, evenly spaced.

    Raises:
        NetworkError: if the network can't be loaded, returns no logits, or the layer has no path to them.
        UnitscopeError: if the network has no such class, or there are fewer than `MIN_IMAGES` images.
        ImageError: if no image can be read.
    """
    running = running or RunOptions()
    session = session_of(atlas, network, device=running.device, batch_size=running.batch_size)
    number = found.network_class
    if class_name or number is None:
        number = find_network_class(session.network, class_name or found.concept)
    some = running.chosen(image_set(atlas, found.images, root=images))
    require_min(len(some), f"images with '{found.concept}'")
    changes = logit_changes(session, some, found.layer, number, running=running)
    return found.with_removal(Removal(session.network.classes[number], logit_rise(changes)))


def find_network_class(network: Network, name: str) -> int:
    """Return the number of a network's class, by name or wnid; case, ``_`` and spaces don't matter.

    Raises:
        UnitscopeError: if it has none, or several of that name; the message names the nearest.
    """
    if (number := match_classes([name], network.classes, network.wnids).get(name)) is not None:
        return number
    near = closest(name, network.classes)
    hint = near or ("it has no class names" if not network.classes else "see its card or its weights for their names")
    raise UnitscopeError(
        f"'{name}' is not the name of one class of {network.reference}, so no logit is its own; {hint}; "
        "name a class with --target-class"
    )


def logit_changes(
    network: Network | Session,
    images: ImageSource,
    layer: Layer,
    class_number: int,
    *,
    running: RunOptions | None = None,
) -> NDArray[np.float64]:
    """Return how a class's logit changes when a unit, alone, is zeroed: after minus before, float64 ``[image, unit]``.

    Each image runs to the layer once, and on from there once a unit. Changes within `ROUNDING` are zero.

    Raises:
        NetworkError: if the network returns no logits, or the layer has no path to them.
        ImageError: if no image can be read.
    """
    running = running or RunOptions()
    some = running.chosen(images)
    session = Session.of(network, device=running.device)
    split = SplitRun(session, session.layers.find(layer.name), some, min(running.batch_size, len(some)))
    changes = []
    with session.inference(), running.counting("removal", len(some)) as on_batch:
        for batch in split.batches():
            changes.append(_changes(split, batch, class_number))
            on_batch(len(batch.rows))
    return np.concatenate(changes)


def inside_outside(maps: Maps | Means, weights: Weights) -> tuple[Means, Means] | None:
    """Return each unit's mean map on a concept and beside it, float64 ``[unit]`` both: Σwm / Σw and Σ(1−w)m / Σ(1−w).

    None where either covers less than `MIN_CELLS` of a cell.
    """
    on = weights.reshape(-1).astype(np.float64)
    if min(on.sum(), (1 - on).sum()) < MIN_CELLS:
        return None
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    return flat @ on / on.sum(), flat @ (1 - on) / (1 - on).sum()


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Image by image the means on the concept and beside it, and the contrast by place (empty where not known)."""

    images: list[str]
    inside: list[Means]
    outside: list[Means]
    by_place: list[Means]
    others: int


def _see(source: MapSource, concept: CategorySplit, phi: Preprocessing) -> _Seen:
    others = len(concept.others) if len(concept.others) >= MIN_IMAGES else 0
    elsewhere = source.mean(concept.others) if others else None
    seen = _Seen([], [], [], [], others)
    for image, maps in source.maps(concept.images):
        weights = pool_to_grid(concept.view(image, phi), *maps.shape[1:])
        if (parts := inside_outside(maps, weights)) is None:
            continue
        seen.images.append(image)
        seen.inside.append(parts[0])
        seen.outside.append(parts[1])
        if elsewhere is not None and (place := inside_outside(elsewhere, weights)) is not None:
            seen.by_place.append(place[0] - place[1])
    return seen


def check_grid(layer: Layer, view: tuple[int, int]) -> None:
    """Check that a layer's maps are rows and columns of cells that cover a view of so many rows and columns.

    Of tokens nobody knows which are patches and how these lay. Nor are three axes enough: those of an attention's
    queries are heads and tokens, of which there are not as many to each other as rows to columns.

    Raises:
        LayerError: if they are not, or are a single cell.
    """
    cells = [size for axis, size in enumerate(layer.shape, start=1) if axis != layer.unit_axis]
    if math.prod(cells) == 1:
        raise LayerError(
            f"a map of layer '{layer.name}' is a single cell, so there is nothing beside a concept; "
            "choose a layer before the last pooling"
        )
    sides = [pixels / count for pixels, count in zip(view, cells, strict=False)]
    if len(cells) != 2 or max(sides) > _LONGEST_CELL * min(sides):
        raise LayerError(
            f"nobody knows where in the view a unit of layer '{layer.name}' looks, since its output for an image is "
            f"{'×'.join(map(str, layer.shape))}, not maps of rows and columns; choose a layer of maps, such as a "
            "convolution, or ask about a class"
        )


def _changes(split: SplitRun, batch: CutBatch, class_number: int) -> NDArray[np.float64]:
    """A batch's changes; each chunk of variants has an untouched one to compare with, as rounding may differ."""
    alone = torch.eye(split.layer.units, dtype=torch.bool)[:, None]
    untouched, zeros = torch.zeros_like(alone[:1]), torch.zeros(split.layer.units)
    changes = []
    for some in alone.split(batch.variants_at_once):
        removed = torch.cat([untouched, some]).to(batch.halfway.responses.device)
        logits = _numpy(split.halves.suffix(batch.halfway.live, removed, zeros)[:, : len(batch.rows)])
        change = logits[1:, :, class_number] - logits[:1, :, class_number]
        change[np.abs(change) <= ROUNDING * np.abs(logits[0]).max(-1)] = 0
        changes.append(change)
    return np.concatenate(changes).T


def _numpy(values: Tensor) -> NDArray[np.float64]:
    """Values in float64, which only the CPU is sure to have."""
    return values.float().cpu().numpy().astype(np.float64)
