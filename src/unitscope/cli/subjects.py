"""What commands ask about, by name: images of an atlas, image files, classes.

In: words of the command line. Out: `Subject` values. Only files need the network, and so torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unitscope.units import Layer

if TYPE_CHECKING:
    from unitscope.analyses.subjects import Subject
    from unitscope.atlas import Atlas


def subjects_of(atlas: "Atlas", names: Sequence[str], layer: str | Layer) -> "tuple[Subject, ...]":
    """Return what each name stands for at a layer, as `scanning.fresh.find_subjects` does; without torch if it can.

    Raises:
        UnitscopeError: if the atlas has no such image, class or layer, or a file can't be read.
    """
    from unitscope.analyses.subjects import CLASS, find_subject

    if any(not name.startswith(CLASS) and Path(name).is_file() for name in names):
        from unitscope.scanning.fresh import find_subjects

        return find_subjects(atlas, names, layer)
    return tuple(find_subject(atlas, name, layer) for name in names)
