"""A unit's exemplars: images, responses and maps (paper, figure 2).

In: plain values and arrays. Out: `ExemplarSheet`.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.display.html import first, gallery, overlay_figure
from unitscope.notebook import short_repr
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer

_SHOWN = 12  # exemplars in a notebook


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """One of the images to which a unit responds most strongly.

    Attributes:
        rank: 1 for the highest response.
        image: the image's id.
        response: α of this unit for this image.
        label: the image's labels, joined by commas; empty if there are none.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``; None if the file can't be read.
        map: the unit's activation map, float32 ``[row, column]``; None if it was not computed.
    """

    rank: int
    image: str
    response: float
    label: str
    picture: NDArray[np.uint8] | None = None
    map: NDArray[np.float32] | None = None

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class ExemplarSheet(Result):
    """A unit and its exemplars, highest response first, or lowest first (paper, figure 2)."""

    kind: ClassVar[str] = "exemplars"

    network: str
    layer: Layer
    unit: int
    exemplars: tuple[Exemplar, ...]
    lowest: bool = False

    def values(self) -> Values:
        """Return plain values, without pictures and maps; docs/commands/exemplars.md lists the keys."""
        rows = [{name: getattr(one, name) for name in ("rank", "image", "response", "label")} for one in self.exemplars]
        return {
            "network": self.network,
            "layer": self.layer.name,
            "unit": self.unit,
            "exemplars": rows,
            "lowest": self.lowest,
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the sheet that has these `values`, without pictures and maps."""
        name, exemplars = values["layer"], tuple(Exemplar(**row) for row in values["exemplars"])
        layer = layers_by_name(values, [name])[name]
        return cls(values["network"], layer, values["unit"], exemplars, values["lowest"])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return one row per exemplar."""
        rows = pd.DataFrame(self.values()["exemplars"], columns=["rank", "image", "response", "label"])
        return {f"{self.layer.display_name}: unit {self.unit}": rows}

    def _repr_html_(self) -> str:
        title = f"{self.layer.display_name}: unit {self.unit} of {self.network}"
        return gallery(title, [first(self.exemplars, _SHOWN, _exemplar_html)])


def _exemplar_html(one: Exemplar) -> str:
    caption = f"{one.rank}: α {one.response:.3g} {one.label}"
    return overlay_figure(one.picture, one.map, caption, side=128, alt=one.image)
