"""A unit's exemplars: images, responses and maps (paper, figure 2).

In: plain values and arrays. Out: `ExemplarSheet`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.display.html import first, gallery, overlay_figure, paragraph
from unitscope.notebook import short_repr
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.text import count_noun, sentence
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
    """A unit and its exemplars, highest response first, or lowest first (paper, figure 2).

    Attributes:
        network: the network's name.
        layer: the layer.
        unit: the unit.
        exemplars: the images; none if the unit is dead.
        lowest: whether these are the lowest responses.
        dead: whether the response to every image is zero.
        above_zero: number of images with a response above zero, if that is fewer than wanted; otherwise None.
        tied: number of further images with the same response as the last one; None if unknown.
        class_note: that the unit is one of the network's classes, in words; empty if it is not.
    """

    kind: ClassVar[str] = "exemplars"

    network: str
    layer: Layer
    unit: int
    exemplars: tuple[Exemplar, ...]
    lowest: bool = False
    dead: bool = False
    above_zero: int | None = None
    tied: int | None = None
    class_note: str = ""

    @property
    def note(self) -> str:
        """What the list does not show, in sentences; empty if there is nothing to say."""
        return " ".join(map(sentence, self._notes()))

    def _notes(self) -> Iterator[str]:
        if self.class_note:
            yield self.class_note
        if self.dead:
            yield "this unit is dead: its response to every image is zero, so it has no exemplars"
        elif not self.exemplars:
            yield "this unit has no exemplars"
        if self.above_zero is not None:
            verb = "has" if self.above_zero == 1 else "have"
            yield f"only {count_noun(self.above_zero, 'image')} {verb} a response above zero"
        if self.tied:
            verb = "has" if self.tied == 1 else "have"
            yield f"{count_noun(self.tied, 'further image')} {verb} the same response as the last"
        if self.tied or len({one.response for one in self.exemplars}) < len(self.exemplars):
            yield "equal responses are ordered by image name"

    def values(self) -> Values:
        """Return plain values, without pictures and maps; docs/commands/exemplars.md lists the keys."""
        rows = [{name: getattr(one, name) for name in ("rank", "image", "response", "label")} for one in self.exemplars]
        return {
            "network": self.network,
            "layer": self.layer.name,
            "unit": self.unit,
            "exemplars": rows,
            "lowest": self.lowest,
            "dead": self.dead,
            "above_zero": self.above_zero,
            "tied": self.tied,
            "class_note": self.class_note,
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the sheet that has these `values`, without pictures and maps."""
        name, exemplars = values["layer"], tuple(Exemplar(**row) for row in values["exemplars"])
        layer = layers_by_name(values, [name])[name]
        return cls(
            values["network"],
            layer,
            values["unit"],
            exemplars,
            values["lowest"],
            dead=values.get("dead", False),
            above_zero=values.get("above_zero"),
            tied=values.get("tied"),
            class_note=values.get("class_note", ""),
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return one row per exemplar."""
        rows = pd.DataFrame(self.values()["exemplars"], columns=["rank", "image", "response", "label"])
        title = f"{self.layer.display_name}: unit {self.unit}" + ", lowest responses" * self.lowest
        return {f"{title}. {self.note}" if self.note else title: rows}

    def _repr_html_(self) -> str:
        title = f"{self.layer.display_name}: unit {self.unit} of {self.network}"
        return gallery(title, [first(self.exemplars, _SHOWN, _exemplar_html)]) + paragraph(self.note)


def _exemplar_html(one: Exemplar) -> str:
    caption = f"{one.rank}: α {one.response:.3g} {one.label}"
    return overlay_figure(one.picture, one.map, caption, side=128, alt=one.image)
