"""How general units are over depth: whether images of different classes have the same units of highest response.

In: a network's atlas. Out: `Generality`, one row per layer, and Spearman's correlation with depth (figure 1: shallow
units are general, deep ones specific).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from unitscope.paper.networks import ReportNetwork
from unitscope.paper.overlap import pair_sample, shared_units
from unitscope.paper.resampling import ImageDraws, interval_of
from unitscope.paper.samples import Sample
from unitscope.paper.verdicts import Measured
from unitscope.units import Layer

SHARE = 0.1
"""The share of a layer's units that is selected for each image, and that two images share by chance."""
_DRAWS = 300


@dataclass(frozen=True, slots=True, eq=False)
class Generality:
    """Overlap of images' selections, layer by layer.

    Attributes:
        layers: the layers, shallow to deep.
        table: one row per layer: layer, units, different, different_low, different_high (share of the units of highest
            response that images of two classes have in common, with its interval), one_class (the same for one class;
            NaN if no class has two images).
        trend: Spearman's correlation of ``different`` with depth, with its interval over the images.
    """

    layers: tuple[Layer, ...]
    table: pd.DataFrame
    trend: Measured


def generality_of(case: ReportNetwork) -> Generality:
    """Return the generality of a network's activation layers; made once for each network."""
    return case.once(_generality)


def generality(responses: Sequence[tuple[Layer, NDArray[np.float32]]], sample: Sample) -> Generality:
    """Return the generality from the responses ``[image, unit]`` of each layer to the images of a sample."""
    draws = ImageDraws.of(np.zeros(len(sample.rows)), draws=_DRAWS)
    one, different = sample.one_class, ~(sample.one_class | np.eye(len(sample.rows), dtype=bool))
    rows, drawn = [], []
    for layer, values in responses:
        count = max(1, round(SHARE * layer.units))
        shared = shared_units(layer, values, count) / count
        drawn.append(draws.means(shared, different))
        found = interval_of(drawn[-1], len(sample.rows))
        rows.append(
            {
                "layer": layer.name,
                "units": layer.units,
                "different": found.value,
                "different_low": found.low,
                "different_high": found.high,
                "one_class": float(shared[one].mean()) if one.any() else np.nan,
            }
        )
    trend = interval_of(_trends(np.array(drawn)), len(sample.rows))
    return Generality(tuple(layer for layer, _ in responses), pd.DataFrame(rows), trend)


def _trends(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Spearman's correlation of values ``[layer, draw]`` with the layers' order; NaN for fewer than 3 layers."""
    if len(drawn) < 3 or not np.isfinite(drawn).all():
        return np.full(drawn.shape[1], np.nan)
    ranks = stats.rankdata(drawn, axis=0)
    order = np.arange(len(drawn)) - (len(drawn) - 1) / 2
    centred = ranks - ranks.mean(0)
    sizes = np.sqrt((centred**2).sum(0) * (order**2).sum())
    return np.divide(order @ centred, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)  # type: ignore[no-any-return]


def _generality(case: ReportNetwork) -> Generality:
    sample = case.once(pair_sample)
    layers = [layer for layer in case.atlas.layers if layer.kind == "activation"]
    return generality([(layer, case.atlas.responses(layer, sample.rows)) for layer in layers], sample)
