"""Images that were not in the scan, asked about beside those that were.

In: an atlas and names: image ids, ``class:NAME``, or image files. Out: `ImageGroup` values; only files need a network.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.image_groups import CLASS, ImageGroup, group_rows, image_group
from unitscope.atlas import Atlas
from unitscope.engine.session import Session
from unitscope.images import decode
from unitscope.networks import Network
from unitscope.scanning.atlas_network import session_of
from unitscope.units import Layer


def image_groups(
    atlas: Atlas, names: Sequence[str], layer: str | Layer, *, network: Network | Session | None = None
) -> tuple[ImageGroup, ...]:
    """Return what each name stands for at one layer; names of files that the atlas lacks are run anew.

    An id of the atlas comes before a file of the same name.

    Raises:
        UnitscopeError: as `image_group`, and if a file can't be read.
        NetworkError: if a file is given and the atlas's network can't be loaded.
    """
    return next(image_groups_by_layer(atlas, names, [layer], network=network))


def image_groups_by_layer(
    atlas: Atlas, names: Sequence[str], layers: Sequence[str | Layer], *, network: Network | Session | None = None
) -> Iterator[tuple[ImageGroup, ...]]:
    """Yield what each name stands for at one layer after another; files that the atlas lacks are run once for all.

    Raises:
        UnitscopeError, NetworkError: as `image_groups`, before the first layer.
    """
    found = [atlas.find(layer) for layer in layers]
    files = [name for name in names if _is_fresh(atlas, name)]
    for name in names:
        if name not in files:
            group_rows(atlas, name)  # a miss is told before the files run
    fresh = dict(zip(files, _run(session_of(atlas, network), files, found), strict=True)) if files else {}
    for place, layer in enumerate(found):
        yield tuple(
            ImageGroup(name, layer, (name,), fresh[name][place]) if name in fresh else image_group(atlas, name, layer)
            for name in names
        )


def _is_fresh(atlas: Atlas, name: str) -> bool:
    return not name.startswith(CLASS) and Path(name).is_file() and not atlas.has_image(name)


def _run(session: Session, files: Sequence[str], layers: Sequence[Layer]) -> list[list[NDArray[np.float32]]]:
    """Each layer's responses ``[1, unit]`` to each file."""
    tapped = [session.layers.find(layer.name) for layer in layers]
    ends = np.cumsum([layer.units for layer in layers])[:-1]
    responses = []
    for file in files:
        prepared = session.network.preprocessing.prepare(decode(Path(file)))
        responses.append(np.split(session.run(prepared[None], responses=tapped).responses, ends, axis=1))
    return responses
