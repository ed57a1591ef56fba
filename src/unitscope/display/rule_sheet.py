"""The units of a rule over its images (paper, figure 4).

In: plain values and arrays. Out: `RuleSheet`.
"""

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from unitscope.display.exemplar_sheet import Exemplar
from unitscope.display.html import first, gallery, overlay_figure
from unitscope.notebook import short_repr
from unitscope.units import Layer

_SHOWN, _IMAGES = 6, 8  # units, and images of each, in a notebook


@dataclass(frozen=True, slots=True, eq=False)
class RuleImage:
    """An image of a rule: one given by itself, or one of a given class.

    Attributes:
        group: the image or class as given by the user.
        image: the image's id or path.
        excluded: whether the rule excludes the units of this image.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``; None if the file can't be read.
    """

    group: str
    image: str
    excluded: bool
    picture: NDArray[np.uint8] | None

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class RuleRow:
    """One unit found by a rule.

    Attributes:
        unit: the channel.
        note: further facts, one per line.
        responses: α of the unit for each image of the rule, ``[image]``.
        maps: the unit's activation map for each image, float32 ``[row, column]``; None if the file can't be read.
        exemplars: the unit's first exemplars in the atlas.
    """

    unit: int
    note: tuple[str, ...]
    responses: tuple[float, ...]
    maps: tuple[NDArray[np.float32] | None, ...]
    exemplars: tuple[Exemplar, ...]

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class RuleSheet:
    """The units found by a rule, with their maps for the rule's images (paper, figure 4).

    Attributes:
        title: the rule in words.
        note: the result in words: the number of units, and the number expected by chance.
        network: the network's reference.
        layer: the layer of the units.
        images: the images shown, in the order given by the user.
        rows: the first of the units found, highest response first.
    """

    title: str
    note: str
    network: str
    layer: Layer
    images: tuple[RuleImage, ...]
    rows: tuple[RuleRow, ...]

    __repr__ = short_repr

    def _repr_html_(self) -> str:
        above = f"<div><b>{escape(self.title)}</b></div><div>{escape(self.note)}</div>"
        return above + first(self.rows, _SHOWN, self._row_html)

    def _row_html(self, row: RuleRow) -> str:
        figures = [
            overlay_figure(image.picture, map_, f"{image.group}: α {response:.3g}", alt=image.image)
            for image, map_, response in list(zip(self.images, row.maps, row.responses, strict=True))[:_IMAGES]
        ]
        return gallery(f"{self.layer.display_name}: unit {row.unit}", figures)
