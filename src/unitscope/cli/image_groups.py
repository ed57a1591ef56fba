"""What commands ask about, by name: images of an atlas, image files, classes.

In: words of the command line. Out: `ImageGroup` values. Only files need the network, and so torch.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unitscope.units import Layer

if TYPE_CHECKING:
    from unitscope.analyses.image_groups import ImageGroup
    from unitscope.atlas import Atlas
    from unitscope.engine.session import Session


def groups_named(
    atlas: "Atlas", names: Sequence[str], layer: str | Layer, *, session: "Callable[[], Session] | None" = None
) -> "tuple[ImageGroup, ...]":
    """Return what each name stands for at a layer; torch is imported only where a name is a file.

    Args:
        atlas: the images and classes that names are looked up in.
        names: image ids, files or ``class:NAME``.
        layer: where responses are wanted.
        session: gives a session of the atlas's network, where the caller needs one too.

    Raises:
        UnitscopeError: if the atlas has no such image, class or layer, or a file can't be read.
    """
    from unitscope.analyses.image_groups import CLASS, group_rows, image_group

    files = [name for name in names if not name.startswith(CLASS) and Path(name).is_file()]
    if files:
        from unitscope.inspection.new_images import image_groups

        found = atlas.find(layer)
        for name in names:
            if name not in files:
                group_rows(atlas, name)  # a miss is an error before the network is loaded
        return image_groups(atlas, names, found, network=session() if session else None)
    return tuple(image_group(atlas, name, layer) for name in names)
