"""Measure the effect of perturbations on selections, response vectors, maps and predictions.

In: responses, maps and predictions for the same images, clean and perturbed. Out: statistics per image, and their means
with errors. Independent of how images are perturbed and networks are run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unitscope.analyses.ablation_counts import Truth
from unitscope.analyses.cosines import unit_vectors
from unitscope.analyses.estimates import Proportion, estimate, relative_change
from unitscope.analyses.perturb_result import LayerEffect, UnitEffect
from unitscope.analyses.selection import TopK
from unitscope.analyses.statistics import mcnemar
from unitscope.units import Layer

Floats = NDArray[np.float64]

# A map is constant if its cells differ by float32 rounding only.
_CONSTANT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PerturbationStats:
    """Statistics per image of one perturbation, or of the clean images (a single draw, no layers).

    Attributes:
        overlaps: overlap of selections, float64 ``[draw, image, layer]``.
        cosines: cosine of response vectors, float64 ``[draw, image, layer]``.
        correlations: correlation of maps, float64 ``[draw, image, unit]``.
        responses: α of the units, float32 ``[draw, image, unit]``.
        classes: classes, most probable first, int32 ``[draw, image, rank]``; no ranks if the network is no classifier.
    """

    overlaps: Floats
    cosines: Floats
    correlations: Floats
    responses: NDArray[np.float32]
    classes: NDArray[np.int32]

    @classmethod
    def stacked(cls, draws: "Sequence[PerturbationStats]") -> "PerturbationStats":
        """Return several draws of the same images, concatenated."""
        return _joined(draws, axis=0)

    @classmethod
    def joined(cls, batches: "Sequence[PerturbationStats]") -> "PerturbationStats":
        """Return the same draws of several batches of images, concatenated."""
        return _joined(batches, axis=1)


def selection_overlap(layer: Layer, before: NDArray[Any], after: NDArray[Any], *, top: int) -> Floats:
    """Return ``|T ∩ T'| / n`` for each image's n highest responses before and after, ``[image]``.

    Responses are ``[image, unit]``; ties go to the lower unit; n is `selected`. NaN for images with a NaN response.
    """
    selector = TopK(selected(layer, top))
    both = (selector.mask(layer, before) & selector.mask(layer, after)).sum(1)
    lost = np.isnan(before).any(1) | np.isnan(after).any(1)
    return np.where(lost, np.nan, both / selector.count)


def selected(layer: Layer, top: int) -> int:
    """Return the number of units in a top-n selection: n, or all units of a smaller layer."""
    return min(top, layer.units)


def paired_cosines(before: NDArray[Any], after: NDArray[Any]) -> Floats:
    """Return the cosine of each image's response vectors before and after (paper, algorithm 3), ``[image]``.

    NaN where either vector is zero.
    """
    products: Floats = np.einsum("iu,iu->i", unit_vectors(before), unit_vectors(after))
    return np.clip(products, -1, 1)


def map_correlations(before: NDArray[Any], after: NDArray[Any]) -> Floats:
    """Return Pearson's correlation over positions of maps ``[image, row, column]``, before with after, ``[image]``.

    NaN if either map is constant up to float32 rounding.
    """
    a, b = (_centred(maps.reshape(len(maps), -1).astype(np.float64)) for maps in (before, after))
    return paired_cosines(a, b)


def layer_effects(changed: PerturbationStats, layers: Sequence[Layer], *, top: int) -> tuple[LayerEffect, ...]:
    """Return the effect on each layer's selections and response vectors."""
    return tuple(
        LayerEffect(
            layer,
            estimate(changed.overlaps[..., number]),
            selected(layer, top) / layer.units,
            estimate(changed.cosines[..., number]),
        )
        for number, layer in enumerate(layers)
    )


def unit_effects(
    clean: PerturbationStats, changed: PerturbationStats, units: Sequence[tuple[Layer, int]]
) -> tuple[UnitEffect, ...]:
    """Return the effect on each unit's maps and responses."""
    effects = []
    for number, (layer, unit) in enumerate(units):
        before, after = clean.responses[0, :, number], changed.responses[..., number]
        change = estimate(after.astype(np.float64) - before)
        correlation = estimate(changed.correlations[..., number])
        effects.append(UnitEffect(layer, unit, correlation, change, relative_change(before, after)))
    return tuple(effects)


def flips(clean: PerturbationStats, changed: PerturbationStats) -> Proportion | None:
    """Return the fraction of images whose Top-1 changes; None if there are no classes."""
    if not clean.classes.shape[2]:
        return None
    other = changed.classes[..., 0] != clean.classes[..., 0]
    return Proportion(tuple(int(count) for count in other.sum(1)), other.shape[1])


def correct_predictions(readings: PerturbationStats, truth: Truth, *, among: int) -> Proportion | None:
    """Return the fraction of labelled images with a correct prediction; None if there are none.

    Args:
        readings: statistics of the images.
        truth: the true classes.
        among: number of predictions that count: 1 for Top-1, 5 for Top-5.
    """
    if not _judged(readings, truth):
        return None
    correct = [truth.has(answers[:, :among]) for answers in readings.classes]
    return Proportion(tuple(int(draw.sum()) for draw in correct), int(truth.known.sum()))


def mcnemar_by_draw(clean: PerturbationStats, changed: PerturbationStats, truth: Truth) -> tuple[float, ...]:
    """Return McNemar's exact p-value of Top-1 before and after, one per draw; empty if no class is known."""
    if not _judged(clean, truth):
        return ()
    before = truth.has(clean.classes[0, :, :1])
    after = [truth.has(answers[:, :1]) for answers in changed.classes]
    return tuple(mcnemar(int((draw & ~before).sum()), int((before & ~draw).sum())) for draw in after)


def strongest(responses: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return the positions of a unit's highest responses ``[image]``, highest first; ties go to the lower position."""
    return np.argsort(-responses, kind="stable")[:count]


def _judged(readings: PerturbationStats, truth: Truth) -> bool:
    return bool(readings.classes.shape[2] and truth.known.any())


def _joined(parts: Sequence[PerturbationStats], *, axis: int) -> PerturbationStats:
    names = ("overlaps", "cosines", "correlations", "responses", "classes")
    return PerturbationStats(**{name: np.concatenate([getattr(part, name) for part in parts], axis) for name in names})


def _centred(maps: Floats) -> Floats:
    """Return maps minus their mean; all zero for a constant map."""
    constant = np.ptp(maps, axis=1) <= _CONSTANT * np.abs(maps).max(1)
    return np.where(constant[:, None], 0.0, maps - maps.mean(1, keepdims=True))
