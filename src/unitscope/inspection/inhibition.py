"""The most inhibitory units with pictures and maps (paper, figure 3).

In: an atlas and an `Inhibition`. Out: an `InhibitionSheet`, plain arrays.
For a map contrast, the images are those in which the concept covers closest to half of the view. They are the same for
all units, so that no image is chosen for a unit's map. For a class contrast, images of the class are shown next to the
unit's exemplars among the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.inhibition import Inhibition
from unitscope.atlas import Atlas
from unitscope.display.inhibition_sheet import InhibitedUnit, InhibitionExample, InhibitionSheet
from unitscope.engine.session import Session
from unitscope.experiments.category_maps import category_split, image_set, phi_of, pool_to_grid
from unitscope.experiments.inhibition import inside_outside
from unitscope.inspection.unit_maps import ImageMaps, activation_maps
from unitscope.networks import Network
from unitscope.scanning.atlas_network import session_of

_CANDIDATES = 200  # images whose masks are compared to find those closest to half of the view

View = NDArray[np.float32]


def inhibition_sheet(
    atlas: Atlas,
    found: Inhibition,
    *,
    units: int = 5,
    across: int = 4,
    network: Network | Session | None = None,
    images: str | Path | None = None,
) -> InhibitionSheet:
    """Return the first units of an inhibition, each with some images (paper, figure 3).

    Args:
        atlas: the atlas of the inhibition.
        found: from `category_inhibition` or `class_inhibition`.
        units: number of units.
        across: number of images per unit.
        network: the network; needed only if the atlas was made from a module given in Python.
        images: the folder of the images, if they were moved.

    Raises:
        NetworkError: if the network can't be loaded, or its preprocessing is a function (for a category).
        ImageError: if the masks can't be read.
    """
    session = session_of(atlas, network)
    first = found.units.head(units)
    if found.by == "map contrast":
        views = _evenly_parted(atlas, found, session.network, root=images)
        chosen = [list(views)[:across]] * len(first)
    else:
        views = {}
        chosen = beside_exemplars(atlas, found, [int(unit) for unit in first["unit"]], across)
    ids = list(dict.fromkeys(image for row in chosen for image in row))
    channels = [int(unit) for unit in first["unit"]]
    files = image_set(atlas, ids, root=images)
    seen = activation_maps(session, files, found.layer, channels)
    album = _Album(atlas, found, dict(zip(ids, seen, strict=True)), views)
    rows = tuple(
        InhibitedUnit(channels[place], _note(found, row), tuple(album.example(image, place) for image in chosen[place]))
        for place, (_, row) in enumerate(first.iterrows())
    )
    return InhibitionSheet(session.network.reference, found.layer, found.concept, found.by, rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Album:
    """The images that were run, and the masks of those that show the concept."""

    atlas: Atlas
    found: Inhibition
    seen: dict[str, ImageMaps | None]
    views: dict[str, View]

    def example(self, image: str, place: int) -> InhibitionExample:
        """Return an image and its map of the unit at position ``place``."""
        one, view = self.seen[image], self.views.get(image)
        row = self.atlas.image_number(image)
        return InhibitionExample(
            image,
            ", ".join(self.atlas.images["label_names"].iloc[row]),
            image in self.found.images,
            None if one is None else one.picture,
            None if one is None else one.maps[place],
            view,
            "" if one is None else _measured(one.maps[place], view),
        )


def _evenly_parted(atlas: Atlas, found: Inhibition, network: Network, *, root: str | Path | None) -> dict[str, View]:
    """Return the masks of some images, ordered by how close they are to covering half of the view."""
    phi, concept = phi_of(network), category_split(atlas, found.concept, root=root)
    some = image_set(atlas, found.images, root=root).limit(_CANDIDATES)
    views = {image: concept.view(image, phi) for image in some.ids}
    return dict(sorted(views.items(), key=lambda view: abs(float(view[1].mean()) - 0.5)))


def beside_exemplars(atlas: Atlas, found: Inhibition, channels: Sequence[int], across: int) -> list[list[str]]:
    """Return for each unit some images of the class, evenly spaced, and the others with its largest responses."""
    of_class = image_set(atlas, found.images).limit((across + 1) // 2).ids
    ids = atlas.images["image"].to_numpy()
    others = atlas.readable[~np.isin(ids[atlas.readable], found.images)]
    most = across - len(of_class)
    responses = (atlas.responses(found.layer, units=slice(unit, unit + 1))[others, 0] for unit in channels)
    return [[*of_class, *ids[others[np.argsort(-each, kind="stable")[:most]]]] for each in responses]


def _measured(map_: View, view: View | None) -> str:
    if view is None:
        return f"α = {map_.mean():.3g}"
    parts = inside_outside(map_[None], pool_to_grid(view, *map_.shape))
    return "" if parts is None else f"{parts[0][0]:.3g} on it, {parts[1][0]:.3g} outside"


def _note(found: Inhibition, row: "pd.Series[float]") -> str:
    where = "mean α {:.3g} on it, {:.3g} on others" if found.by == "class contrast" else "{:.3g} on it, {:.3g} outside"
    means = where.format(row["inside"], row["outside"])
    spread = f", d_z {row['d_z']:.2f}" if "d_z" in row else ""
    return f"{means}; effect size {row['effect_size']:.2f}{spread}, corrected p = {row['p_corrected']:.2g}"
