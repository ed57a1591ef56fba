"""Verify an atlas: recompute random units on random images by brute force.

In: an atlas whose network and images are available. Out: the number of comparisons, and those that disagree.
All files are compared with their checksums first. Then there are two separate checks: stored responses against plain
forward hooks on the loaded module (nothing folded or compiled), and stored summaries against their definitions,
computed from the stored responses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from unitscope.analyses.verification import Mismatch, Verification
from unitscope.atlas import Atlas
from unitscope.atlas.checksums import check_content
from unitscope.engine.session import Session
from unitscope.errors import ImageError, UnitscopeError, check_seeds
from unitscope.graph import device_of
from unitscope.graph.hooks import HookedTaps, mean_map
from unitscope.images import ImageSource
from unitscope.images.reading import suggest_image_root
from unitscope.networks import Network, eval_mode
from unitscope.scanning.atlas_network import session_of
from unitscope.units import Layer, UnitIndex

# Relative to a unit's largest absolute response; float32 sums in a different order differ by about 1e-6. The terms of a
# unit's sums are as large as its layer's values, so the scale is at least a hundredth of the layer's largest response.
TOLERANCE, MIN_SCALE = 1e-4, 0.01
# For scans with lower precision, and for responses stored in half precision. In deep networks, bf16 differed by up to
# 0.16 of a layer's largest response (docs/speed.md), so only large errors are found, relative to the whole layer.
_TOLERANCES = {"float32": TOLERANCE, "tf32": 3e-3, "bf16": 0.3}
_HALF, _DECODED = 1e-3, 2e-2  # a GPU decodes and resizes with different rounding, which a network may amplify


@dataclass(frozen=True, slots=True)
class _Comparison:
    what: str
    unit: str
    image: str
    stored: float
    recomputed: float
    scale: float = 0.0
    tolerance: float = TOLERANCE

    @property
    def agrees(self) -> bool:
        if np.isnan(self.stored) and np.isnan(self.recomputed):
            return True
        return abs(self.stored - self.recomputed) <= self.tolerance * self.scale


@suggest_image_root()
def verify(
    atlas: Atlas,
    *,
    units: int = 20,
    images: int = 8,
    seed: int = 0,
    network: Network | Session | str | None = None,
    image_root: str | Path | None = None,
) -> Verification:
    """Recompute random units of an atlas by brute force, and compare them with the stored values.

    Args:
        atlas: from `unitscope.open_atlas`.
        units: number of random units.
        images: number of random images; each unit's first exemplar is added.
        seed: seed of the random choice.
        network: the network, or a reference; needed if it was a module in Python, or comes from a file with code.
        image_root: the folder of the images, if they were moved, or have links out of their folder.

    Raises:
        UnitscopeError: if ``units`` or ``images`` is less than 1, or the seed is negative.
        NetworkError: if the weights or the preprocessing have changed.
        AtlasError: if a file of the atlas is damaged.
        ImageError: if an image that the scan could read can't be read or decoded any more.
    """
    if units < 1 or images < 1:
        raise UnitscopeError(f"verify needs at least one unit and one image, not {units} and {images}")
    check_seeds([seed])
    check_content(atlas.path, atlas.manifest.files)
    session = session_of(atlas, network)
    chosen, rows = _choose(atlas, units, images, seed)
    comparisons = [
        *_summaries(atlas, chosen),
        *_responses(atlas, session, atlas.source(image_root), chosen=chosen, rows=rows),
    ]
    wrong = [Mismatch(c.what, c.unit, c.image, c.stored, c.recomputed) for c in comparisons if not c.agrees]
    return Verification(len(comparisons), tuple(wrong))


def _choose(atlas: Atlas, units: int, images: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions of random units, and rows of random readable images and of each unit's first exemplar."""
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(atlas.index), min(units, len(atlas.index)), replace=False))
    some = random.choice(atlas.readable, min(images, len(atlas.readable)), replace=False)
    first = atlas.array("top_images")[0].to_numpy()[chosen]
    return chosen, np.unique(np.concatenate([some, first[first >= 0]]))


def _summaries(atlas: Atlas, chosen: NDArray[np.int64]) -> Iterator[_Comparison]:
    """Compare summaries, from float32 responses only: half precision would change means and ranks."""
    if atlas.manifest.scan.get("responses", "float32") != "float32":
        return
    table = atlas.units
    for position in chosen:
        row = table.iloc[position]
        name = f"{row['layer']}:{row['channel']}"
        column = atlas.dataset["responses"][:, int(position)].to_numpy()
        known = column[np.isfinite(column)].astype(np.float64)
        scale = float(np.abs(known).max(initial=0))
        yield _Comparison("count", name, "", float(row["count"]), float(len(known)))
        mean = float(known.mean()) if len(known) else np.nan
        yield _Comparison("mean", name, "", float(row["mean"]), mean, scale)
        zeros = float((known == 0).mean()) if len(known) else 0.0
        yield _Comparison("fraction of zeros", name, "", float(row["zero_fraction"]), zeros, 1e-8)
        yield from _extremes(atlas, int(position), name, column)


def _extremes(atlas: Atlas, position: int, name: str, column: NDArray[np.float32]) -> Iterator[_Comparison]:
    """Compare exemplars with a plain sort: by response, then by image."""
    known = np.flatnonzero(np.isfinite(column))
    for end, sign in (("top", -1), ("bottom", 1)):
        stored = atlas.array(f"{end}_images")[:, position].to_numpy()
        order = known[np.lexsort((known, sign * column[known]))][: len(stored)]
        expected = np.pad(order, (0, len(stored) - len(order)), constant_values=-1)
        for rank, (found, wanted) in enumerate(zip(stored, expected, strict=True), 1):
            yield _Comparison(f"{end} image of rank {rank}", name, "", float(found), float(wanted))


def _responses(
    atlas: Atlas, session: Session, images: ImageSource, *, chosen: NDArray[np.int64], rows: NDArray[np.int64]
) -> Iterator[_Comparison]:
    table = atlas.units.iloc[chosen]
    of_unit = atlas.units[["min", "max"]].abs().max(axis=1)
    of_layer = of_unit.groupby(atlas.units["layer"]).transform("max")
    min_scale = MIN_SCALE if _tolerance(atlas) == TOLERANCE else 1.0
    greatest = of_unit.clip(lower=min_scale * of_layer).to_numpy()[chosen]
    names = [f"{layer}:{channel}" for layer, channel in zip(table["layer"], table["channel"], strict=True)]
    layers = [layer for layer in atlas.layers if layer.name in set(table["layer"])]
    tolerance = _tolerance(atlas)
    for row in rows:
        image = str(atlas.images["image"].iloc[row])
        again = _plain_responses(session, images, int(row), layers, table)
        for position, before in _stored(atlas, chosen, int(row)):
            values = float(before), float(again[position]), float(greatest[position])
            yield _Comparison("response", names[position], image, *values, tolerance)


def _stored(atlas: Atlas, chosen: NDArray[np.int64], row: int) -> Iterator[tuple[int, np.floating]]:
    """Yield the positions of chosen units with a stored response to an image, and these responses."""
    if atlas.has_responses:
        yield from enumerate(atlas.dataset["responses"][row].to_numpy()[chosen])
        return
    ranks, positions = np.nonzero(atlas.array("top_images").to_numpy()[:, chosen] == row)
    values = atlas.array("top_values").to_numpy()
    yield from ((int(at), values[rank, chosen[at]]) for rank, at in zip(ranks, positions, strict=True))


def _tolerance(atlas: Atlas) -> float:
    scan = atlas.manifest.scan
    half = _HALF if scan.get("responses") == "float16" else 0.0
    decoded = _DECODED if scan["plan"].get("decoder") == "torchcodec" and scan["device"] != "cpu" else 0.0
    return max(_TOLERANCES[scan.get("precision", "float32")], half, decoded)


def _plain_responses(
    session: Session, images: ImageSource, row: int, layers: list[Layer], table: pd.DataFrame
) -> NDArray[np.float32]:
    """Return the chosen units' responses to one image by forward hooks.

    Forward hooks don't see functional ops; for those, the exported graph is run op by op instead.
    """
    network = session.network
    (picture,) = next(session.batches(images, range(row, row + 1))).pictures
    if picture.prepared is None:
        raise ImageError(f"{picture.error}; the scan could read it")
    batch = network.preprocessing.normalize(picture.prepared[None].to(device_of(network.module)))
    with eval_mode(network.module), torch.no_grad():
        hooked = HookedTaps(network.module, session.trace.head, means=tuple(layers))(batch)[1]
        assert hooked is not None
        responses = hooked[0].cpu().numpy()
        index = UnitIndex(tuple(layers))
        missed = [layer for layer in layers if np.isnan(responses[index.span(layer)]).all()]
        if missed and not session.trace.fallback_reason:
            functional = [session.layers.find(layer.name) for layer in missed]
            maps = session.trace.tapped(maps=functional)(batch)[2:]
            for layer, wanted, map_ in zip(missed, functional, maps, strict=True):
                responses[index.span(layer)] = mean_map(map_, wanted.unit_axis)[0].cpu().numpy()
    by_name = {layer.name: layer for layer in layers}
    at = [index.flat(by_name[name], channel) for name, channel in zip(table["layer"], table["channel"], strict=True)]
    return responses[at]  # type: ignore[no-any-return]
