"""The most inhibitory units with pictures and maps (paper, figure 3).

In: an atlas and an `Inhibition`. Out: an `InhibitionSheet`, plain arrays.
For a map contrast, each unit has the images with its highest mean response beside the concept, so that dark places can
be seen; the response on the concept has no say. For a class contrast, images of the class are shown next to the unit's
exemplars among the others.
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
from unitscope.images.reading import suggest_image_root
from unitscope.inspection.unit_maps import ImageMaps, activation_maps
from unitscope.networks import Network
from unitscope.scanning.atlas_network import session_of

_MASKS, _CANDIDATES = 200, 64  # images whose masks are compared, and those that are run
_LEAST_COVER = 0.1  # of the view, for the concept and for the rest of it to be seen

View = NDArray[np.float32]


@suggest_image_root()
def inhibition_sheet(
    atlas: Atlas,
    result: Inhibition,
    *,
    units: int = 5,
    across: int = 4,
    network: Network | Session | str | None = None,
    image_root: str | Path | None = None,
) -> InhibitionSheet:
    """Return the first units of an inhibition, each with some images (paper, figure 3).

    Args:
        atlas: the atlas of the inhibition.
        result: from `category_inhibition` or `class_inhibition`.
        units: number of units.
        across: number of images per unit.
        network: the network, or a reference; needed if it was a module in Python, or comes from a file with code.
        image_root: the folder of the images, if they were moved.

    Raises:
        NetworkError: if the network can't be loaded, or its preprocessing is a function (for a category).
        ImageError: if the masks or an image can't be read.
    """
    session = session_of(atlas, network)
    first = result.units.head(units)
    channels, views = [int(unit) for unit in first["unit"]], dict[str, View]()
    if result.by == "map contrast":
        views = _candidates(atlas, result, session.network, across, image_root=image_root)
        ids = list(views)
    else:
        chosen = beside_exemplars(atlas, result, channels, across)
        ids = list(dict.fromkeys(image for row in chosen for image in row))
    files = image_set(atlas, ids, image_root=image_root)
    seen = activation_maps(session, files, result.layer, channels)
    album = _Album(atlas, result, dict(zip(ids, seen, strict=True)), views)
    if result.by == "map contrast":
        chosen = [album.brightest_beside(index)[:across] for index in range(len(channels))]
    rows = tuple(
        InhibitedUnit(
            channels[index], _note(result, row), tuple(album.example(image, index) for image in chosen[index])
        )
        for index, (_, row) in enumerate(first.iterrows())
    )
    return InhibitionSheet(session.network.name, result.layer, result.concept, result.by, rows, len(views))


@dataclass(frozen=True, slots=True, eq=False)
class _Album:
    """The images that were run, and the masks of those that show the concept."""

    atlas: Atlas
    result: Inhibition
    seen: dict[str, ImageMaps | None]
    views: dict[str, View]

    def brightest_beside(self, index: int) -> list[str]:
        """Return the images with a concept, by the mean of the map at position ``index`` beside it, highest first."""
        return sorted(self.views, key=lambda image: -self._beside(image, index))

    def _beside(self, image: str, index: int) -> float:
        if (one := self.seen[image]) is None:
            return -np.inf
        map_ = one.maps[index]
        parts = inside_outside(map_[None], pool_to_grid(self.views[image], *map_.shape))
        return -np.inf if parts is None else float(parts[1][0])

    def example(self, image: str, index: int) -> InhibitionExample:
        """Return an image and its map of the unit at position ``index``."""
        one, view = self.seen[image], self.views.get(image)
        row = self.atlas.image_number(image)
        return InhibitionExample(
            image,
            ", ".join(self.atlas.images["label_names"].iloc[row]),
            image in self.result.images,
            None if one is None else one.picture,
            None if one is None else one.maps[index],
            view,
            "" if one is None else _measured(one.maps[index], view),
        )


def _candidates(
    atlas: Atlas, result: Inhibition, network: Network, across: int, *, image_root: str | Path | None
) -> dict[str, View]:
    """Return the masks of up to 64 images, those closest to covering half of the view first.

    Images in which the concept, or the rest, is hardly in view are left out, if enough others are left.
    """
    phi, concept = phi_of(network), category_split(atlas, result.concept, image_root=image_root)
    some = image_set(atlas, result.images, image_root=image_root).limit(_MASKS)
    views = {image: concept.view(image, phi) for image in some.ids}
    off_half = {image: abs(float(view.mean()) - 0.5) for image, view in views.items()}
    ordered = sorted(views, key=lambda image: off_half[image])
    clear = sum(off <= 0.5 - _LEAST_COVER for off in off_half.values())
    return {image: views[image] for image in ordered[: min(max(clear, across), _CANDIDATES)]}


def beside_exemplars(atlas: Atlas, result: Inhibition, channels: Sequence[int], across: int) -> list[list[str]]:
    """Return for each unit some images of the class, evenly spaced, and the others with its highest responses."""
    of_class = image_set(atlas, result.images).limit((across + 1) // 2).ids
    ids = atlas.images["image"].to_numpy()
    others = atlas.readable[~np.isin(ids[atlas.readable], result.images)]
    most = across - len(of_class)
    responses = (atlas.responses(result.layer, units=slice(unit, unit + 1))[others, 0] for unit in channels)
    return [[*of_class, *ids[others[np.argsort(-each, kind="stable")[:most]]]] for each in responses]


def _measured(map_: View, view: View | None) -> str:
    if view is None:
        return f"α = {map_.mean():.3g}"
    parts = inside_outside(map_[None], pool_to_grid(view, *map_.shape))
    return "" if parts is None else f"{parts[0][0]:.3g} on it, {parts[1][0]:.3g} outside"


def _note(result: Inhibition, row: "pd.Series[float]") -> str:
    where = "mean α {:.3g} on it, {:.3g} on others" if result.by == "class contrast" else "{:.3g} on it, {:.3g} outside"
    means = where.format(row["inside"], row["outside"])
    spread = f", d_z {row['d_z']:.2f}" if "d_z" in row else ""
    return f"{means}; effect size {row['effect_size']:.2f}{spread}, corrected p = {row['p_corrected']:.2g}"
