"""Image groups given on the command line: images of an atlas, image files, classes.

In: command-line arguments. Out: `ImageGroup` values. Only image files need the network, and so torch.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unitscope.units import Layer

if TYPE_CHECKING:
    from unitscope.analyses.image_groups import ImageGroup
    from unitscope.atlas import Atlas
    from unitscope.engine.session import Session


def groups_named(
    atlas: "Atlas",
    names: Sequence[str],
    layer: str | Layer,
    *,
    network: str | None = None,
    session: "Callable[[], Session] | None" = None,
) -> "tuple[ImageGroup, ...]":
    """Return the image group of each name at a layer; import torch only if a name is a file.

    Args:
        atlas: the atlas with the images and classes.
        names: image ids, files, ``class:NAME`` or ``@NAME`` (a saved selection).
        layer: the layer of the responses.
        network: a reference of the atlas's network, if the user gave one.
        session: returns a session of the atlas's network, if the caller needs one too.

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
                group_rows(atlas, name)  # report an unknown name before the network is loaded
        return image_groups(atlas, names, found, network=session() if session else network)
    return tuple(image_group(atlas, name, layer) for name in names)


def groups_by_layer(
    atlas: "Atlas", names: Sequence[str], network: str | None = None
) -> "Iterable[tuple[ImageGroup, ...]]":
    """Return the image groups at each layer; files run through the network, which needs torch, once for all layers."""
    if any(Path(name).is_file() for name in names):
        from unitscope.inspection.new_images import image_groups_by_layer

        return image_groups_by_layer(atlas, names, atlas.layers, network=network)
    return (groups_named(atlas, names, layer) for layer in atlas.layers)
