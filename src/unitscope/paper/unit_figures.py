"""Figures 2, 3 and 7: single units over images, on a category, and under noise.

In: a network. Out: matplotlib figures with notes. They show the paper's own units, conv5_3:71 and conv5_2:11, in
networks with the form of VGG-16, and otherwise units chosen by a stated rule.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unitscope import figures
from unitscope.analyses.estimates import Proportion
from unitscope.analyses.inhibition import Inhibition
from unitscope.analyses.perturb_result import Effect, PerturbResult
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.experiments.corruptions import Noise
from unitscope.experiments.inhibition import category_inhibition
from unitscope.experiments.perturbation import perturb
from unitscope.figures.text_layout import minus
from unitscope.inspection import exemplar_sheet
from unitscope.inspection.inhibition import inhibition_sheet
from unitscope.inspection.perturbation import perturbed_sheet
from unitscope.paper.networks import ReportNetwork
from unitscope.paper.verdicts import ANSWERS, Measured, Verdict, by_interval
from unitscope.text import count_noun
from unitscope.units import Layer

PAPERS_SIGMA = 0.1
CONCEPT = "person"
STANDS = 0.5
"""Predictions stand noise if more than this share of them stays; maps, if they correlate more with those before."""

_SIGMAS, _NOISE_IMAGES = (0.05, PAPERS_SIGMA, 0.2), 100

Drawn = tuple[Figure, str]  # the figure, and a note for the reader


def figure_2(case: ReportNetwork) -> Drawn:
    """Return the images with a unit's highest responses, from COCO."""
    return _exemplars(case, case.coco, "--coco")


def figure_2_on_own_images(case: ReportNetwork) -> Drawn:
    """Return the images with a unit's highest responses, from a network's own images."""
    return _exemplars(case, case.atlas, f"--network {case.name}")


def figure_3(case: ReportNetwork) -> Drawn:
    """Return the units that are darkest on people, the paper's own first."""
    found = inhibition_of(case)
    if found.units.empty:
        raise UnitscopeError(f"no unit of {found.layer.name} has a positive mean outside '{CONCEPT}'")
    best = found.units.iloc[0]
    own, first = _own_unit(case, found)
    sheet = inhibition_sheet(case.coco, replace(found, units=first), network=case.session)
    note = (
        f"Units of {found.layer.name} that are darker on a '{CONCEPT}' (COCO's polygons) than outside it, over "
        f"{len(found.images)} images; the most inhibitory, {int(best['unit'])}, has {_effect(best)}. {own} The paper "
        "shows conv5_2:11 of Keras's VGG-16, dark on faces."
    )
    return figures.inhibition(sheet), note


def figure_7(case: ReportNetwork) -> Drawn:
    """Return two units' maps with noise of the paper's variance, and whether predictions and maps stand it."""
    noise, effect = noise_of(case), papers_noise(case)
    at = noise.perturbations.index(Noise(PAPERS_SIGMA))
    result = replace(noise, perturbations=(noise.perturbations[at],), effects=(effect,))
    correlations = "; ".join(
        f"{unit.layer.name}:{unit.unit} map correlation {minus(f'{unit.map_correlation.value:.2f}')}"
        for unit in effect.units
    )
    flips = ""
    if effect.flips is not None:
        low, high = effect.flips.interval
        flips = (
            f" {effect.flips.value:.1%} ({low:.1%} to {high:.1%}) of {result.images} predictions change: "
            f"{ANSWERS[predictions_stand(case).answer]} that predictions stand this noise."
        )
    own = (
        "the paper's own units, " if case.own_units else "not the paper's units, but the two of highest mean response, "
    )
    note = (
        f"Gaussian noise of σ = 0.1 (variance 0.01) on the 0–1 scale; {own}{correlations}.{flips} The paper says of "
        "its two units, conv5_3:71 and conv5_2:11 of VGG-16, that they change little."
    )
    return figures.perturbed(perturbed_sheet(case.session, result)), note


def inhibition_of(case: ReportNetwork) -> Inhibition:
    """Return how dark the units of a layer are on people: conv5_2 if the network has it, otherwise the last."""
    return case.once(_inhibition)


def noise_of(case: ReportNetwork) -> PerturbResult:
    """Return the effect of noise on all layers and two units; made once for each network."""
    return case.once(_noise)


def papers_noise(case: ReportNetwork) -> Effect:
    """Return the effect of noise of the paper's variance."""
    noise = noise_of(case)
    return noise.effects[noise.perturbations.index(Noise(PAPERS_SIGMA))]


def predictions_stand(case: ReportNetwork) -> Verdict:
    """Return whether most predictions stand the paper's noise."""
    flips = papers_noise(case).flips
    if flips is None:
        raise UnitscopeError("the network returns no logits")
    return most_stay(flips)


def most_stay(flips: Proportion) -> Verdict:
    """Return whether more than half of the predictions stay the same."""
    low, high = flips.interval
    return by_interval(Measured(1 - flips.value, 1 - high, 1 - low, flips.total), above=STANDS)


def _exemplars(case: ReportNetwork, atlas: Atlas, option: str) -> Drawn:
    if case.own_units:
        unit, how = str(case.own_units[0]), "the paper's unit, conv5_3:71"
    else:
        channel, score = _unit_with_highest_z_score(atlas, case.last, option)
        unit = f"{case.last.name}:{channel}"
        how = f"the unit with the highest z-score of the last exemplar in its layer ({score:.1f})"
    sheet = exemplar_sheet(atlas, unit, network=case.session)
    labels = {label for one in sheet.exemplars for label in one.label.split(", ") if label}
    shown = f" Its images show {count_noun(len(labels), 'label')}: {', '.join(sorted(labels)[:12])}." if labels else ""
    return figures.exemplars(sheet), f"{unit}, {how}.{shown}"


def _own_unit(case: ReportNetwork, found: Inhibition) -> tuple[str, pd.DataFrame]:
    """Return what to say of the paper's unit, and the units with it first."""
    if not case.own_units:
        return "", found.units
    channel = case.own_units[1].channel
    (places,) = np.nonzero(found.units["unit"].to_numpy() == channel)
    if not len(places):
        return f"Unit {channel}, the paper's, has no positive mean outside it.", found.units
    place, own = int(places[0]), found.units.iloc[[int(places[0])]]
    rank = f"number {place + 1} of {len(found.units)}"
    return f"Unit {channel}, the paper's, shown first, is {rank}: {_effect(own.iloc[0])}.", pd.concat(
        [own, found.units.drop(index=own.index)], ignore_index=True
    )


def _effect(row: "pd.Series[float]") -> str:
    effect = minus(f"{row['effect_size']:.2f}")
    return f"effect size {effect}, corrected p {row['p_corrected']:.2g}"


def _inhibition(case: ReportNetwork) -> Inhibition:
    layer = case.layers.find(case.own_units[1].layer) if case.own_units else case.last
    return category_inhibition(case.coco, layer, CONCEPT, network=case.session, options=case.options)


def _noise(case: ReportNetwork) -> PerturbResult:
    units = [str(unit) for unit in case.own_units] or _strongest(case)
    changes = [Noise(sigma) for sigma in _SIGMAS]
    return perturb(case.session, case.images.limit(_NOISE_IMAGES), changes, units=units, options=case.options)


def _strongest(case: ReportNetwork) -> list[str]:
    """Return the last convolution's two units of highest mean response."""
    table = case.atlas.units
    alive = table[(table["layer"] == case.last.name) & ~table["dead"]]
    if alive.empty:
        raise UnitscopeError(f"all units of {case.last.name} are dead, so noise has nothing to change")
    return [f"{case.last.name}:{int(channel)}" for channel in alive.nlargest(2, "mean")["channel"]]


def _unit_with_highest_z_score(atlas: Atlas, layer: Layer, option: str) -> tuple[int, float]:
    """Return the unit whose last exemplar has the highest z-score, and this z-score."""
    units, top = atlas.units_of(layer), atlas.array("top_values")[:, atlas.index.span(layer)]
    if (count := len(atlas.readable)) < len(top):
        raise UnitscopeError(
            f"a unit has {len(top)} exemplars, but only {count_noun(count, 'image')} in '{atlas.root}' can be read; "
            f"give a folder with more images with {option}"
        )
    scores = (top[-1].to_numpy() - units["mean"]) / units["std"].where(units["std"] > 0)
    if scores.isna().all():
        raise UnitscopeError(
            f"every unit of {layer.name} has constant responses over the images in '{atlas.root}'; "
            f"give other images with {option}, or omit this network"
        )
    best = int(np.nanargmax(scores.to_numpy()))
    return best, float(scores.iloc[best])
