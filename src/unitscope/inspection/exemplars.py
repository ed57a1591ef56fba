"""A unit's exemplars with pictures and activation maps (paper, figure 2).

In: an atlas and a unit. Out: an `ExemplarSheet`, plain arrays.
"""

from dataclasses import replace
from pathlib import Path

from unitscope.analyses.exemplars import unit_exemplars
from unitscope.atlas import Atlas
from unitscope.display.exemplar_sheet import ExemplarSheet
from unitscope.engine.session import Session
from unitscope.experiments.category_maps import image_set
from unitscope.images.reading import suggest_image_root
from unitscope.inspection.unit_maps import activation_maps
from unitscope.networks import Network
from unitscope.scanning.atlas_network import session_of
from unitscope.units import Unit


@suggest_image_root()
def exemplar_sheet(
    atlas: Atlas,
    unit: str | Unit,
    *,
    lowest: bool = False,
    network: Network | Session | str | None = None,
    image_root: str | Path | None = None,
) -> ExemplarSheet:
    """Return a unit's exemplars with pictures and activation maps (paper, figure 2); a dead unit has none.

    Args:
        atlas: from `unitscope.open_atlas`.
        unit: ``LAYER:UNIT``.
        lowest: show the images with the lowest responses instead.
        network: the network, or a reference; needed if it was a module in Python, or comes from a file with code.
        image_root: the folder of the images, if they were moved.

    Raises:
        LayerError: if the atlas has no such unit.
        NetworkError: if the network can't be loaded, or its weights or preprocessing differ from those of the scan.
        ImageAccessError: if an image can't be read.
    """
    sheet = unit_exemplars(atlas, unit, lowest=lowest)
    session = session_of(atlas, network)
    if not sheet.exemplars:
        return sheet
    files = image_set(atlas, [exemplar.image for exemplar in sheet.exemplars], image_root=image_root)
    maps = activation_maps(session, files, sheet.layer, [sheet.unit])
    shown = (
        replace(exemplar, picture=one.picture, map=one.maps[0]) if one else exemplar
        for exemplar, one in zip(sheet.exemplars, maps, strict=True)
    )
    return replace(sheet, network=session.network.name, exemplars=tuple(shown))
