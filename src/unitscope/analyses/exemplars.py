"""List a unit's exemplars.

In: an atlas and a unit. Out: an `ExemplarSheet` without pictures and maps; `unitscope.inspection.exemplars` adds them,
which needs the network.
"""

from unitscope.atlas import Atlas
from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.units import Unit


def unit_exemplars(atlas: Atlas, unit: str | Unit, *, lowest: bool = False) -> ExemplarSheet:
    """Return the images with a unit's highest responses, or its lowest, without pictures and maps.

    Raises:
        LayerError: if the atlas has no such unit.
    """
    layer, channel = atlas.unit(unit)
    rows = atlas.exemplars(unit, lowest=lowest).to_dict("records")
    found = (Exemplar(int(row["rank"]), row["image"], float(row["response"]), row["label"]) for row in rows)
    return ExemplarSheet(atlas.manifest.network_name, layer, channel, tuple(found), lowest)
