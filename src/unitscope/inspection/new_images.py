"""Image groups of images that are not in the atlas, together with those that are.

In: an atlas and names: image ids, ``class:NAME``, or image files. Out: `ImageGroup` values; only files need a network.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unitscope.analyses.image_groups import CLASS, ImageGroup, group_rows, image_group
from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.images import decode
from unitscope.networks import Network
from unitscope.scanning.atlas_network import session_of
from unitscope.units import Layer


def image_groups(
    atlas: Atlas, names: Sequence[str], layer: str | Layer, *, network: Network | Session | str | None = None
) -> tuple[ImageGroup, ...]:
    """Return the image group of each name at one layer; files that are not in the atlas run through the network.

    If a name is both an image id of the atlas and a file, the atlas's image is used.

    Raises:
        UnitscopeError: as in `image_group`, and if a file can't be read.
        NetworkError: if a file is given and the atlas's network can't be loaded.
    """
    return next(image_groups_by_layer(atlas, names, [layer], network=network))


def image_groups_by_layer(
    atlas: Atlas, names: Sequence[str], layers: Sequence[str | Layer], *, network: Network | Session | str | None = None
) -> Iterator[tuple[ImageGroup, ...]]:
    """Yield the image groups of all names, layer by layer; files that are not in the atlas run once for all layers.

    Raises:
        UnitscopeError, NetworkError: as in `image_groups`, before the first layer.
    """
    found = [atlas.find(layer) for layer in layers]
    files = [name for name in names if _is_new(atlas, name)]
    for name in names:
        if name not in files:
            group_rows(atlas, name)  # report unknown names before the files run
    new = _run(session_of(atlas, network), files, found) if files else {}
    for position, layer in enumerate(found):
        yield tuple(
            ImageGroup(name, layer, (name,), new[name][position]) if name in new else image_group(atlas, name, layer)
            for name in names
        )


def _is_new(atlas: Atlas, name: str) -> bool:
    return not name.startswith(CLASS) and Path(name).is_file() and not atlas.has_image(name)


def _run(session: Session, files: Sequence[str], layers: Sequence[Layer]) -> dict[str, list[NDArray[np.float32]]]:
    """Return for each file each layer's responses ``[1, unit]``."""
    ends = np.cumsum([layer.units for layer in layers])[:-1]
    prepared = torch.stack([session.network.preprocessing.prepare(decode(Path(file))) for file in files])
    responses = session.run(prepared, responses=[layer.name for layer in layers]).responses
    return {file: np.split(row[None], ends, axis=1) for file, row in zip(files, responses, strict=True)}
