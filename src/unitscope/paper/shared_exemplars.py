"""Whether the exemplars of a unit show one class (figure 2: a unit responds to several classes).

In: an atlas and a layer. Out: the number of units, and of those whose exemplars have no label in common.
"""

import numpy as np

from unitscope.atlas import Atlas
from unitscope.units import Layer


def units_without_one_label(atlas: Atlas, layer: Layer) -> tuple[int, int]:
    """Return the number of units that respond, and how many of these have exemplars without a common label.

    Both are 0 if no label has as many images as a unit has exemplars: then no unit could show one class only.
    """
    rows = atlas.array("top_images")[:, atlas.index.span(layer)].to_numpy()
    names = [frozenset(map(str, each)) for each in atlas.images["label_names"]]
    counts: dict[str, int] = {}
    for row in atlas.readable:
        for name in names[row]:
            counts[name] = counts.get(name, 0) + 1
    if max(counts.values(), default=0) < len(rows):
        return 0, 0
    alive = np.flatnonzero(~atlas.units_of(layer)["dead"].to_numpy(bool))
    without = sum(not frozenset.intersection(*(names[row] for row in rows[:, unit])) for unit in alive)
    return len(alive), without
