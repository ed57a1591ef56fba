"""What commands ask about, by name: images of an atlas, image files, classes.

In: words of the command line. Out: `ImageGroup` values. Only files need the network, and so torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unitscope.units import Layer

if TYPE_CHECKING:
    from unitscope.analyses.image_groups import ImageGroup
    from unitscope.atlas import Atlas


def groups_named(atlas: "Atlas", names: Sequence[str], layer: str | Layer) -> "tuple[ImageGroup, ...]":
    """Return what each name stands for at a layer, as `scanning.fresh.image_groups` does; without torch if it can.

    Raises:
        UnitscopeError: if the atlas has no such image, class or layer, or a file can't be read.
    """
    from unitscope.analyses.image_groups import CLASS, image_group

    if any(not name.startswith(CLASS) and Path(name).is_file() for name in names):
        from unitscope.inspection.new_images import image_groups

        return image_groups(atlas, names, layer)
    return tuple(image_group(atlas, name, layer) for name in names)
