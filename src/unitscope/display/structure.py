"""The structure of one image: the top units of each layer (paper, figure 1).

In: plain values and arrays. Out: `Structure`, which `inspection` fills with torch; `figures` and `web` draw it without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.display.html import figure, first, gallery, map_row, overlay_uri
from unitscope.notebook import short_repr, tables_html
from unitscope.results import Result, Values, layer_table, layers_by_name
from unitscope.units import Layer

_SHOWN, _MAPS = 16, 9  # layers, and maps of each, in a notebook
NO_PICTURE = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One of an image's most probable classes; the name is the class number if no name is known."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the image or of the network before the forward pass.

    Attributes:
        removed: units whose maps are set to zero, by layer.
        sigma: standard deviation of Gaussian noise added to the resized and cropped image, on the 0–1 scale.
        seed: seed of the noise.
    """

    removed: Mapping[str, Sequence[int]] = field(default_factory=dict)
    sigma: float = 0.0
    seed: int = 0

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class LayerTopUnits:
    """The top units of one layer for one image.

    Attributes:
        layer: the layer.
        units: channels by descending response or contrast, int64 ``[rank]``.
        responses: α of the units, float32 ``[rank]``.
        maps: activation maps of the units, float32 ``[rank, row, column]``.
        contrasts: contrasts of the units, float64 ``[rank]``; None if the units are ranked by response.
    """

    layer: Layer
    units: NDArray[np.int64]
    responses: NDArray[np.float32]
    maps: NDArray[np.float32]
    contrasts: NDArray[np.float64] | None = None

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class Enlargement:
    """One unit's activation map, float32 ``[row, column]``, to be drawn large."""

    layer: Layer
    unit: int
    response: float
    map: NDArray[np.float32]

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class Structure(Result):
    """The top units of each layer for one image, from shallow to deep (paper, algorithm 1).

    Attributes:
        network: the network's name.
        image: the image's id or path.
        picture: the resized and cropped image, uint8 ``[row, column, RGB]``.
        predictions: the most probable classes, most probable first; empty if the network is not a classifier.
        columns: one per layer, shallow to deep.
        enlarged: maps to draw large beside the columns.
        probabilities: probabilities of all classes, float32 ``[class]``; None if unknown or not a classifier.
        baseline: the images that responses are compared with, in words, if units are ranked by contrast: α minus the
            unit's mean, divided by its standard deviation, over these images; empty if they are ranked by response α.
    """

    kind: ClassVar[str] = "structure"

    network: str
    image: str
    picture: NDArray[np.uint8]
    predictions: tuple[Prediction, ...]
    columns: tuple[LayerTopUnits, ...]
    enlarged: tuple[Enlargement, ...] = ()
    probabilities: NDArray[np.float32] | None = None
    baseline: str = ""

    @property
    def ranking(self) -> str:
        """What units are ranked by: ``response`` or ``contrast``."""
        return "contrast" if self.baseline else "response"

    @property
    def ranked_by(self) -> str:
        """What units are ranked by, in words."""
        if not self.baseline:
            return "response α"
        return f"contrast: α minus the unit's mean, divided by its standard deviation, over {self.baseline}"

    @property
    def image_name(self) -> str:
        """The image as titles name it: a file without its folder if its path is absolute."""
        path = PurePath(self.image)
        return path.name if path.is_absolute() else self.image

    def values(self) -> Values:
        """Return plain values, without picture and maps; docs/commands/structure.md lists the keys."""
        return {
            "network": self.network,
            "image": self.image,
            "predictions": [
                {"class": one.index, "name": one.name, "probability": one.probability} for one in self.predictions
            ],
            "layers": [
                {
                    "layer": one.layer.name,
                    "units": one.units.tolist(),
                    "responses": one.responses.tolist(),
                    "contrasts": None if one.contrasts is None else one.contrasts.tolist(),
                }
                for one in self.columns
            ],
            "ranking": self.ranking,
            "baseline": self.baseline,
            "layer_table": layer_table(column.layer for column in self.columns),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the structure that has these `values`; its picture and maps are empty."""
        layers = layers_by_name(values, [one["layer"] for one in values["layers"]])
        predictions = (Prediction(one["class"], one["name"], one["probability"]) for one in values["predictions"])
        columns = (
            LayerTopUnits(
                layers[one["layer"]],
                np.array(one["units"], np.int64),
                np.array(one["responses"], np.float32),
                np.empty((len(one["units"]), 0, 0), np.float32),
                None if one.get("contrasts") is None else np.array(one["contrasts"], np.float64),
            )
            for one in values["layers"]
        )
        known = values["network"], values["image"], NO_PICTURE, tuple(predictions), tuple(columns)
        return cls(*known, baseline=values.get("baseline", ""))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the predictions, and the top units of each layer with their responses."""
        top = [
            " ".join(f"{unit} ({value:.3g})" for unit, value in zip(one.units, _ranked_by(one), strict=True))
            for one in self.columns
        ]
        layers = [column.layer.display_name for column in self.columns]
        return {
            "Predictions": pd.DataFrame(
                [(one.index, one.name, one.probability) for one in self.predictions],
                columns=["class", "name", "probability"],
            ),
            f"Top units for {self.image_name}, by {self.ranked_by}": pd.DataFrame(
                {"layer": layers, f"top units ({self.ranking})": top}
            ),
        }

    def _repr_html_(self) -> str:
        if not self.picture.size:  # read back from a file
            return tables_html(self.tables())
        caption = ", ".join(f"{one.name} {one.probability:.1%}" for one in self.predictions[:3])
        shown = [figure(overlay_uri(self.picture, None), caption, side=160, alt=self.image)]
        return gallery(f"{self.image_name} in {self.network}, units by {self.ranked_by}", shown) + first(
            self.columns, _SHOWN, partial(_maps_html, ranking=self.ranking)
        )


def _ranked_by(column: LayerTopUnits) -> NDArray[Any]:
    return column.responses if column.contrasts is None else column.contrasts


def _maps_html(column: LayerTopUnits, ranking: str) -> str:
    """Return the maps of a layer's top units in a row."""
    sign = "α" if ranking == "response" else ranking
    texts = (f"{unit}: {sign} {value:.3g}" for unit, value in zip(column.units, _ranked_by(column), strict=True))
    units = ", ".join(map(str, column.units[:_MAPS]))
    title = f"{column.layer.display_name}: {units}" + ", …" * (len(column.units) > _MAPS)
    return map_row(title, list(zip(column.maps[:_MAPS], texts, strict=False)))
