"""What the demo finds: units that tell a class of photographs from all others, and what removing units changes.

In: an atlas of the demo's photographs, and a session of its network. Out: data frames.
"""

from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.selection import TopK
from unitscope.analyses.unit_rules import top_units
from unitscope.atlas import Atlas
from unitscope.display.structure import Change
from unitscope.engine.session import Session
from unitscope.inspection import structure
from unitscope.inspection.new_images import image_groups
from unitscope.units import Layer


def telling_units(atlas: Atlas, layer: Layer) -> pd.DataFrame:
    """Return the units that respond to every photograph of a class more than to any other photograph.

    One row per class, most units first: ``class``, ``photographs``, ``units`` (how many), ``expected by chance`` (the
    number among units that rank the photographs at random), ``best unit``, its ``response`` (the lowest to the class)
    and ``any other`` (its highest to another photograph). Classes without such a unit are left out.
    """
    names = np.array([each[0] for each in atlas.images["label_names"]])
    rows = [_row(atlas, layer, label, names == label) for label in sorted(set(names))]
    found = pd.DataFrame(rows).query("units > 0")
    return found.sort_values("units", ascending=False, kind="stable", ignore_index=True)


def best_unit(atlas: Atlas, layer: Layer, inside: NDArray[np.bool_]) -> int:
    """Return the unit whose lowest response to some images exceeds that to any other image most.

    Args:
        atlas: the atlas.
        layer: the layer.
        inside: True for these images, bool ``[image]``.
    """
    lowest, highest = _margins(atlas, layer, inside)
    return int(np.argmax(lowest - highest))


def _row(atlas: Atlas, layer: Layer, label: str, inside: NDArray[np.bool_]) -> dict[str, object]:
    lowest, highest = _margins(atlas, layer, inside)
    count, best = int(inside.sum()), int(np.argmax(lowest - highest))
    return {
        "class": label,
        "photographs": count,
        "units": int((lowest > highest).sum()),
        "expected by chance": layer.units / comb(len(inside), count),
        "best unit": f"{layer.name}:{best}",
        "response": float(lowest[best]),
        "any other": float(highest[best]),
    }


def _margins(atlas: Atlas, layer: Layer, inside: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each unit's lowest response to these images and its highest to the others, float32 ``[unit]``."""
    responses = atlas.responses(layer, np.arange(len(inside)), slice(0, layer.units))
    return responses[inside].min(axis=0), responses[~inside].max(axis=0)


def removals(session: Session, folder: Path, atlas: Atlas, images: list[str], *, count: int) -> pd.DataFrame:
    """Return predictions before and after the removal of the last layer's units that respond most to the first image.

    One row per image of a folder: ``photograph``, ``prediction``, its probability with ``all units``, without the
    ``count`` units that respond most to the first image, and without as many random units.
    """
    layer = atlas.layers[-1]
    (first,) = image_groups(atlas, images[:1], layer.name)
    chosen = {
        "all units": [],
        f"without {_stem(images[0])}'s top {count}": top_units(first, TopK(count)).units.tolist(),
        f"without {count} random ones": np.random.default_rng(0).choice(layer.units, count, replace=False).tolist(),
    }
    rows = []
    for image in images:
        found = [
            structure(session, folder / image, layers=[layer], change=Change({layer.name: units}))
            for units in chosen.values()
        ]
        best = found[0].predictions[0]
        odds = [float(one.probabilities[best.index]) for one in found if one.probabilities is not None]
        rows.append({"photograph": _stem(image), "prediction": best.name, **dict(zip(chosen, odds, strict=True))})
    return pd.DataFrame(rows)


def _stem(image: str) -> str:
    return Path(image).stem
