"""List a unit's exemplars.

In: an atlas and a unit. Out: an `ExemplarSheet` without pictures and maps; `unitscope.inspection.exemplars` adds them,
which needs the network.
"""

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.class_units import class_unit_note
from unitscope.atlas import Atlas
from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.units import Layer, Unit


def unit_exemplars(atlas: Atlas, unit: str | Unit, *, lowest: bool = False) -> ExemplarSheet:
    """Return the images with a unit's highest responses, or its lowest, without pictures and maps.

    A dead unit has none. Where a unit is never negative, images with the response zero are not among the highest.

    Raises:
        LayerError: if the atlas has no such unit.
    """
    layer, channel = atlas.unit(unit)
    rows = atlas.exemplars(unit, lowest=lowest).to_dict("records")
    found = (Exemplar(int(row["rank"]), row["image"], float(row["response"]), row["label"]) for row in rows)
    activity = atlas.activity(unit)
    return ExemplarSheet(
        atlas.manifest.network_name,
        layer,
        channel,
        tuple(found),
        lowest,
        dead=activity.dead,
        above_zero=activity.too_few(len(rows), int(atlas.manifest.scan["top"])),
        tied=tied_images(atlas, layer, channel, np.array([row["response"] for row in rows], np.float32)),
        class_note=class_unit_note(atlas, layer, channel),
    )


def tied_images(atlas: Atlas, layer: Layer, channel: int, responses: NDArray[np.float32]) -> int | None:
    """Return how many further images have the last of these responses, a unit's extremes ``[rank]``.

    None if there are none, or the scan did not store responses as float32, which alone can tell.
    """
    if not len(responses) or atlas.manifest.scan.get("responses", "float32") != "float32":
        return None
    return count_tied(atlas.responses(layer, units=slice(channel, channel + 1))[:, 0], responses)


def count_tied(column: NDArray[np.float32], responses: NDArray[np.float32]) -> int:
    """Return how many further images of a unit's ``column [image]`` have the last of its ``responses [rank]``."""
    return int((column == responses[-1]).sum() - (responses == responses[-1]).sum())
