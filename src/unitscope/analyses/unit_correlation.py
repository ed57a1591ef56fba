"""The units of a layer with the largest correlation with a unit (Pearson's r of responses over images).

In: an atlas and a unit. Out: `SimilarUnits`. Uses all images, or a sample of about 1,024 (see `sampling.sample`).
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.sampling import sample
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.results import Result, Values, columns_of, frame_of, layer_table, layers_by_name
from unitscope.units import Layer, Unit

# Differences of responses below this fraction of their mean are rounding errors.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class SimilarUnits(Result):
    """The units of a layer that are most correlated with one of them.

    Attributes:
        layer: the layer.
        unit: the unit that the others are compared with.
        images: number of images of the correlations.
        units: one row per unit: unit, correlation; the largest first.
    """

    kind: ClassVar[str] = "similar_units"

    layer: Layer
    unit: int
    images: int
    units: pd.DataFrame

    def values(self) -> Values:
        """Return plain values: the columns of ``units`` as lists."""
        return {
            "layer": self.layer.name,
            "unit": self.unit,
            "images": self.images,
            "units": columns_of(self.units),
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        name = values["layer"]
        layer = layers_by_name(values, [name])[name]
        return cls(layer, values["unit"], values["images"], frame_of(values["units"]))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the table of units."""
        return {f"Units most correlated with {self.layer.name}:{self.unit} ({self.images} images)": self.units}


def similar_units(
    atlas: Atlas, unit: str | Unit, count: int = 8, *, standardized: NDArray[np.float64] | None = None
) -> SimilarUnits:
    """Return the units of a layer with the largest correlation with a unit, over their responses to the same images.

    Units with constant responses, or with a NaN response, have no correlation and are left out.

    Args:
        atlas: the atlas.
        unit: the unit, ``LAYER:UNIT``.
        count: maximum number of units.
        standardized: the result of `standardized_responses` for the layer, if it is already available.

    Raises:
        LayerError: if the atlas has no such layer or unit.
        AtlasError: if the scan did not store responses.
        UnitscopeError: if ``count`` is less than 1.
    """
    if count < 1:
        raise UnitscopeError(f"the number of similar units must be at least 1, not {count}")
    layer, channel = atlas.unit(unit)
    given = standardized_responses(atlas, layer) if standardized is None else standardized
    found = np.clip(given[:, channel] @ given, -1, 1)
    found[channel] = np.nan
    order = np.argsort(-found, kind="stable")[: min(count, int(np.isfinite(found).sum()))]
    return SimilarUnits(layer, channel, len(given), pd.DataFrame({"unit": order, "correlation": found[order]}))


def standardized_responses(atlas: Atlas, layer: str | Layer) -> NDArray[np.float64]:
    """Return the responses of a layer, centred and scaled to length 1 for each unit, float64 ``[image, unit]``.

    The inner product of two units is their correlation; NaN for units without one.

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it or store responses.
    """
    responses = sample(atlas, atlas.find(layer))[1]
    values = np.where(np.isfinite(responses), responses, np.nan).astype(np.float64)
    mean = values.mean(0)
    values -= mean
    length = np.sqrt(np.einsum("iu,iu->u", values, values))
    changes = length > _ROUNDING * np.abs(mean) * np.sqrt(len(values))
    values /= np.where(changes, length, np.nan)
    return values  # type: ignore[no-any-return]
