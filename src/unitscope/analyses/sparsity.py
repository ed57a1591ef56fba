"""Sparsity of a layer: the fraction of zero responses, and sparsity indices.

In: an atlas and a layer. Out: `Sparsity`.
Reads the responses of a sample of images only; everything else comes from the atlas's summaries of units and classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unitscope.analyses.image_groups import find_class
from unitscope.analyses.sampling import sample
from unitscope.analyses.sparsity_indices import (
    gini,
    hoyer,
    hoyer_from_treves_rolls,
    treves_rolls,
    treves_rolls_from_moments,
    zero_fraction,
)
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.notebook import short_repr
from unitscope.results import Result, Values, columns_of, frame_of, layer_table, layers_by_name
from unitscope.units import Layer

BINS = 50
ALL_IMAGES = "all images"
INDICES = ("zero_fraction", "gini", "hoyer", "treves_rolls")


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """The distribution of the mean responses of a layer's units, over all images or those of one class.

    Attributes:
        name: name of the class, or ``all images``.
        images: number of images.
        means: mean α of each unit, float64 ``[unit]``; NaN if it has no responses.
        histogram: number of units with a mean in each bin, int64 ``[bin]``.
        zero_fraction: fraction of units whose mean is exactly zero.
        gini: index of the means; see `unitscope.analyses.sparsity_indices`.
        hoyer: index of the means, likewise.
        treves_rolls: index of the means, likewise.
    """

    name: str
    images: int
    means: NDArray[np.float64]
    histogram: NDArray[np.int64]
    zero_fraction: float
    gini: float
    hoyer: float
    treves_rolls: float

    __repr__ = short_repr

    def values(self) -> Values:
        """Return the distribution as plain values, without its name."""
        indices = {name: getattr(self, name) for name in INDICES}
        arrays = {"histogram": self.histogram.tolist(), "means": self.means.tolist()}
        return {"images": self.images, **indices, **arrays}

    @classmethod
    def from_values(cls, name: str, values: Values) -> Self:
        """Return the distribution that has these `values`."""
        means, histogram = np.array(values["means"], np.float64), np.array(values["histogram"], np.int64)
        return cls(name, values["images"], means, histogram, *(_number(values[index]) for index in INDICES))


@dataclass(frozen=True, slots=True, eq=False)
class Sparsity(Result):
    """Sparsity of one layer.

    Attributes:
        layer: the layer.
        zero_fraction: fraction of exact zeros among the responses of all images and units.
        dead: channels of units whose response is zero for every image, int64 ``[dead]``.
        edges: edges of the bins of all histograms, float64 ``[bin + 1]``.
        overall: distribution of the units' means over all images (paper, figures 5 and 6).
        classes: distributions of the units' means over the images of each requested class.
        lifetime: one row per unit: channel, zero_fraction, dead, treves_rolls and hoyer of its responses, and the
            number of images for these two.
        population: one row per sampled image: image, zero_fraction, gini, hoyer and treves_rolls of its responses.
        network: name of the network.
    """

    kind: ClassVar[str] = "sparsity"

    layer: Layer
    zero_fraction: float
    dead: NDArray[np.int64]
    edges: NDArray[np.float64]
    overall: Distribution
    classes: tuple[Distribution, ...]
    lifetime: pd.DataFrame
    population: pd.DataFrame
    network: str = ""

    def values(self) -> Values:
        """Return plain values; docs/commands/sparsity.md lists the keys."""
        edges = self.edges.tolist()
        return {
            "network": self.network,
            "layer": self.layer.name,
            "units": self.layer.units,
            **self.overall.values(),
            "units_at_zero": self.overall.zero_fraction,
            "zero_fraction": self.zero_fraction,
            "dead": len(self.dead),
            "dead_units": self.dead.tolist(),
            "population": _population_means(self.population),
            "lifetime": _lifetime_means(self.lifetime),
            "edges": edges,
            "classes": [{"name": each.name, **each.values(), "edges": edges} for each in self.classes],
            "lifetime_by_unit": columns_of(self.lifetime),
            "population_by_image": columns_of(self.population),
            "layer_table": layer_table([self.layer]),
        }

    @classmethod
    def from_values(cls, values: Values) -> Self:
        """Return the result that has these `values`."""
        name = values["layer"]
        return cls(
            layers_by_name(values, [name])[name],
            _number(values["zero_fraction"]),
            np.array(values["dead_units"], np.int64),
            np.array(values["edges"], np.float64),
            Distribution.from_values(ALL_IMAGES, values | {"zero_fraction": values["units_at_zero"]}),
            tuple(Distribution.from_values(each["name"], each) for each in values["classes"]),
            frame_of(values["lifetime_by_unit"]),
            frame_of(values["population_by_image"]),
            values["network"],
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the layer's counts, and its indices over units, images and classes."""
        counts = {
            "images": self.overall.images,
            "units": self.layer.units,
            "dead": len(self.dead),
            "fraction of zero responses": self.zero_fraction,
        }
        of_means = [
            (f"mean responses of the units, {each.name} ({each.images})", *(getattr(each, name) for name in INDICES))
            for each in (self.overall, *self.classes)
        ]
        image = (f"responses to an image, mean of {len(self.population)}", *self.population[list(INDICES)].mean())
        lifetime = self.lifetime.assign(gini=np.nan)[list(INDICES)].mean()
        unit = (f"responses of a unit, mean of {_lifetime_means(self.lifetime)['units']}", *lifetime)
        spread = pd.DataFrame([*of_means, image, unit], columns=["of", "zeros", *INDICES[1:]])
        return {self.layer.display_name: pd.DataFrame([counts]), "Sparsity indices": spread}


def sparsity(
    atlas: Atlas, layer: str | Layer, classes: Sequence[str] = (), *, bins: int = BINS, seed: int = 0
) -> Sparsity:
    """Return the sparsity of a layer: overall, for classes, per unit (lifetime) and per image (population).

    Population indices use all images if there are at most 1,024, otherwise a sample of about that size, drawn with
    ``seed``. Lifetime indices use all images, through each unit's mean and standard deviation; for units with responses
    of both signs, where this does not work, they use the images of the population indices.

    Raises:
        LayerError, AtlasError: if the network has no such layer, or the scan did not tap it.
        UnitscopeError: if there is no such class, none of its images could be read, ``bins`` is less than 1, or
            ``seed`` is negative.
    """
    found = atlas.find(layer)
    units = atlas.units_of(found)
    edges, (overall, *of_classes) = mean_distributions(atlas, found, classes, bins=bins)
    rows, responses = sample(atlas, found, seed=seed)
    return Sparsity(
        found,
        zeros_of(units),
        units["channel"].to_numpy()[units["dead"].to_numpy()],
        edges,
        overall,
        tuple(of_classes),
        _lifetime(units, responses),
        _population(atlas, rows, responses),
        atlas.manifest.network_name,
    )


def mean_distributions(
    atlas: Atlas, layer: Layer, classes: Sequence[str] = (), *, bins: int = BINS
) -> tuple[NDArray[np.float64], tuple[Distribution, ...]]:
    """Return the edges of the bins, and how the mean responses are distributed over all images and over each class.

    Raises:
        UnitscopeError: if there is no such class, none of its images could be read, or ``bins`` is less than 1.
    """
    if bins < 1:
        raise UnitscopeError(f"a histogram needs at least 1 bin, not {bins}")
    units = atlas.units_of(layer)
    overall = (ALL_IMAGES, units["mean"].to_numpy(), units["count"].to_numpy())
    means = [overall, *(_class_means(atlas, layer, name) for name in classes)]
    edges = _edges([each for _, each, _ in means], bins)
    return edges, tuple(_distribution(*each, edges) for each in means)


def zeros_of(units: pd.DataFrame) -> float:
    """Return the fraction of zeros in all responses of some rows of the unit table; NaN if there are no responses."""
    count = units["count"].to_numpy()
    return float((units["zero_fraction"] * count).sum() / count.sum()) if count.any() else float("nan")


def _class_means(atlas: Atlas, layer: Layer, name: str) -> tuple[str, NDArray[np.float64], NDArray[np.int64]]:
    number, span = find_class(atlas, name), atlas.index.span(layer)
    counts = atlas.array("class_counts")[number, span].to_numpy()
    if not counts.any():
        raise UnitscopeError(f"none of the images of class '{name}' in atlas '{atlas.path}' could be read")
    return atlas.manifest.labels[number].name, atlas.class_means[number, span], counts


def _edges(means: Sequence[NDArray[np.float64]], bins: int) -> NDArray[np.float64]:
    """Return bin edges from zero (or the lowest mean, if negative) to the highest mean."""
    shown = np.concatenate([[0.0], *means])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def _distribution(
    name: str, means: NDArray[np.float64], counts: NDArray[np.int64], edges: NDArray[np.float64]
) -> Distribution:
    return Distribution(
        name,
        int(counts.max()),
        means,
        np.histogram(means[np.isfinite(means)], edges)[0],
        float(zero_fraction(means)),
        float(gini(means)),
        float(hoyer(means)),
        float(treves_rolls(means)),
    )


def both_signs(units: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether each unit of the table has responses of both signs, bool ``[unit]``."""
    return (units["min"].to_numpy() < 0) & (units["max"].to_numpy() > 0)  # type: ignore[no-any-return]


def lifetime_from_moments(units: pd.DataFrame) -> pd.DataFrame:
    """Return lifetime indices from each unit's moments; NaN if responses have both signs."""
    ratio = treves_rolls_from_moments(units["mean"], units["std"])
    ratio = np.where(both_signs(units), np.nan, ratio)
    return pd.DataFrame(
        {
            "channel": units["channel"].to_numpy(),
            "zero_fraction": units["zero_fraction"].to_numpy(),
            "dead": units["dead"].to_numpy(),
            "treves_rolls": ratio,
            "hoyer": hoyer_from_treves_rolls(ratio, units["count"]),
            "images": units["count"].to_numpy(),
        }
    )


def _lifetime(units: pd.DataFrame, responses: NDArray[np.float32]) -> pd.DataFrame:
    table, both = lifetime_from_moments(units), both_signs(units)
    if both.any():
        sampled = responses[:, both]
        table.loc[both, "treves_rolls"] = treves_rolls(sampled, axis=0)
        table.loc[both, "hoyer"] = hoyer(sampled, axis=0)
        table.loc[both, "images"] = np.isfinite(sampled).sum(0)
    return table


def _population(atlas: Atlas, rows: NDArray[np.int64], responses: NDArray[np.float32]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": atlas.images["image"].to_numpy()[rows],
            "zero_fraction": zero_fraction(responses),
            "gini": gini(responses),
            "hoyer": hoyer(responses),
            "treves_rolls": treves_rolls(responses),
        }
    )


def _population_means(table: pd.DataFrame) -> Values:
    means = {name: {"mean": float(table[name].mean()), "std": float(table[name].std(ddof=0))} for name in INDICES}
    return {"images": len(table), **means}


def _lifetime_means(table: pd.DataFrame) -> Values:
    means = {
        name: {"mean": float(table[name].mean()), "median": float(table[name].median())}
        for name in ("treves_rolls", "hoyer")
    }
    return {"units": int(table["treves_rolls"].notna().sum()), **means}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
