"""The paper's figures for one network of a report.

In: a network. Out: `Picture` values (a matplotlib Figure, its title, notes for the reader), or `Missing` with the
reason.
Each function makes one figure, or raises an error that says why it can't.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unitscope import figures
from unitscope.analyses.image_groups import image_group
from unitscope.analyses.perturb_result import PerturbResult
from unitscope.analyses.selection import TopK, select
from unitscope.analyses.sparsity import sparsity
from unitscope.analyses.sparsity_by_layer import sparsity_by_layer
from unitscope.analyses.unit_rules import intersection
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.experiments.corruptions import Noise
from unitscope.experiments.inhibition import category_inhibition
from unitscope.experiments.perturbation import perturb
from unitscope.figures.text_layout import minus
from unitscope.images import decode_row
from unitscope.inspection import LayerRange, exemplar_sheet, rule_sheet, structure
from unitscope.inspection.inhibition import inhibition_sheet
from unitscope.inspection.perturbation import perturbed_sheet
from unitscope.paper import published_values as values
from unitscope.paper.networks import Log, ReportNetwork, Unscanned
from unitscope.paper.report_items import Missing, Picture, attempt
from unitscope.text import count_noun
from unitscope.units import Layer

_NOISE_IMAGES = 100
_PAPERS_SIGMA = 0.1
_MAX_IMAGES_OF_A_KIND = 60
_CATS_OF_IMAGENET, _DOGS_OF_IMAGENET = slice(281, 286), slice(151, 269)
_CONCEPT = "person"
_PAPERS_CALLS = 49  # activation layers of ResNet-50


Drawn = tuple[Figure, str]  # the figure, and a note for the reader


def draw_all(case: ReportNetwork, *, log: Log) -> Iterator[Picture | Missing]:
    """Yield each figure, or the reason why it can't be made; a single reason if none can."""
    if isinstance(case.images_scan, Unscanned) and isinstance(case.coco_scan, Unscanned):
        yield Missing(f"Figures: {case.name}", case.images_scan.reason)
        return
    for title, draw in _FIGURES:
        full = f"{title}: {case.name}"
        log(full)
        drawn = attempt(full, partial(draw, case))
        if isinstance(drawn, Missing):
            yield drawn
        else:
            yield Picture(f"{_file_name(title)}-{case.name}", full, *drawn)


def _figure_1(case: ReportNetwork) -> Drawn:
    atlas, calls = case.atlas, len(case.layers.activations)
    image = str(_readable(atlas)["image"].iloc[0])
    columns = LayerRange(10, 46, 3) if calls == _PAPERS_CALLS else LayerRange(start=min(2, calls))
    picture = decode_row(atlas.source(), atlas.image_number(image))
    view = replace(structure(case.session, picture, layers=columns), image=image)
    which = "10, 13, …, 46 as in the paper" if calls == _PAPERS_CALLS else f"{len(view.columns)}, evenly spaced"
    return figures.structure(view), f"Shown of {calls} activation layers: {which}. Image: {image}."


def _figure_2(case: ReportNetwork) -> Drawn:
    atlas = case.coco
    if case.network.reference == values.NETWORK_OF_FIGURE_2:
        unit, how = values.UNIT_OF_FIGURE_2, "the paper's unit"
    else:
        channel, score = _unit_with_highest_z_score(atlas, case.last)
        unit = f"{case.last.name}:{channel}"
        how = f"the unit with the highest z-score of the last exemplar in its layer ({score:.1f})"
    sheet = exemplar_sheet(atlas, unit, network=case.session)
    return figures.exemplars(sheet), f"{unit}, {how}."


def _figure_3(case: ReportNetwork) -> Drawn:
    atlas = case.coco
    found = category_inhibition(atlas, case.last, _CONCEPT, network=case.session, options=case.options)
    if found.units.empty:
        raise UnitscopeError(f"no unit of {case.last.name} has a positive mean outside '{_CONCEPT}'")
    best = found.units.iloc[0]
    effect = minus(f"{best['effect_size']:.2f}")
    sheet = inhibition_sheet(atlas, found, network=case.session)
    note = (
        f"Units of {case.last.name} that are darker on a '{_CONCEPT}' (COCO's polygons) than outside it, over "
        f"{len(found.images)} images; the first has effect size {effect}, corrected p "
        f"{best['p_corrected']:.2g}. The paper shows conv5_2:11 of Keras's VGG-16, dark on faces."
    )
    return figures.inhibition(sheet), note


def _figure_4(case: ReportNetwork) -> Drawn:
    atlas = case.atlas
    imagenet = case.network.classes if case.network.wnids else ()
    cats = _images_of(atlas, ("cat", *imagenet[_CATS_OF_IMAGENET]))
    dogs = _images_of(atlas, ("dog", *imagenet[_DOGS_OF_IMAGENET]))
    groups = {name: image_group(atlas, name, case.last) for name in (*cats, *dogs)}
    chosen = {name: select(group, TopK(9)) for name, group in groups.items()}
    counts = {(cat, dog): len(chosen[cat] & chosen[dog]) for cat in cats for dog in dogs}
    most = max(counts, key=lambda pair: counts[pair])
    found = intersection([groups[name] for name in most], TopK(9))
    assert found.p_value is not None
    # The best of many pairs, so Bonferroni's correction, which equals Holm's for the least p-value.
    chance = f"p = {min(1.0, found.p_value * len(counts)):.2g}, corrected for {len(counts):,} pairs"
    shares = f"{counts[most]} unit{'' if counts[most] == 1 else 's'}"
    note = (
        f"At {case.last.name}: of {len(counts):,} pairs of a cat's image and a dog's, this one shares most of the 9 "
        f"units of highest response: {counts[most]} ({chance}). A pair shares "
        f"{float(np.mean(list(counts.values()))):.2f} on average; chance would give {found.expected:.2f}. The paper's "
        "cat and dog share 3 of VGG-16's 512."
    )
    sheet = rule_sheet(atlas, found, network=case.session)
    sheet_note = f"{shares}; {found.expected:.3g} expected by chance ({chance})."
    return figures.rules(replace(sheet, note=sheet_note)), note


def _figures_5_and_6(case: ReportNetwork) -> Drawn:
    atlas = case.atlas
    present = sorted({str(name) for names in _readable(atlas)["label_names"] for name in names})
    wanted = [name for name in values.CLASSES_OF_FIGURES_5_AND_6.values() if name in present]
    others = [present[number * len(present) // 3] for number in range(3)] if len(present) >= 3 else present
    chosen = [*wanted, *(name for name in others if name not in wanted)][:3]
    found = sparsity(atlas, case.last, chosen)
    drawn = figures.sparsity(found, title=case.name)
    gini, hoyer = (float(found.population[index].mean()) for index in ("gini", "hoyer"))
    which = "the paper's classes" if len(wanted) == 3 else f"of the paper's classes here: {', '.join(wanted) or 'none'}"
    note = (
        f"{', '.join(chosen) or 'No class'} ({which}). {found.zero_fraction:.1%} of all responses are exactly zero; "
        f"over the units, each image by itself, Gini {gini:.2f}, Hoyer {hoyer:.2f}."
    )
    return drawn, note


def _sparsity_by_depth(case: ReportNetwork) -> Drawn:
    drawn = figures.sparsity_by_layer(sparsity_by_layer(case.atlas), title=case.name)
    return drawn, "From the stored summaries of all images."


def _figure_7(case: ReportNetwork) -> Drawn:
    noise = _noise(case)
    at = noise.perturbations.index(Noise(_PAPERS_SIGMA))
    effects = noise.effects[at]
    result = replace(noise, perturbations=(noise.perturbations[at],), effects=(effects,))
    correlations = "; ".join(
        f"{unit.layer.name}:{unit.unit} map correlation {minus(f'{unit.map_correlation.value:.2f}')}"
        for unit in effects.units
    )
    flips = f" {effects.flips.value:.1%} of {result.images} predictions change." if effects.flips else ""
    note = (
        f"Gaussian noise of σ = 0.1 (variance 0.01) on the 0–1 scale. {correlations}.{flips} The paper says of its two "
        "units, conv5_3:71 and conv5_2:11 of VGG-16, that they change little."
    )
    drawn = figures.perturbed(perturbed_sheet(case.session, result))
    return drawn, note


def _noise_by_depth(case: ReportNetwork) -> Drawn:
    result = _noise(case)
    drawn = figures.perturbation(result.effects, title=f"Noise over depth: {case.name}")
    return drawn, f"{result.images} images, Gaussian noise on the 0–1 scale."


@lru_cache(maxsize=1)
def _noise(case: ReportNetwork) -> PerturbResult:
    """One run for both figures, with the last convolution's two units of highest mean response."""
    table = case.atlas.units
    alive = table[(table["layer"] == case.last.name) & ~table["dead"]]
    if alive.empty:
        raise UnitscopeError(f"all units of {case.last.name} are dead, so noise has nothing to change")
    units = [f"{case.last.name}:{int(channel)}" for channel in alive.nlargest(2, "mean")["channel"]]
    changes = [Noise(sigma) for sigma in (0.05, _PAPERS_SIGMA, 0.2)]
    return perturb(case.session, case.images.limit(_NOISE_IMAGES), changes, units=units, options=case.options)


def _readable(atlas: Atlas) -> pd.DataFrame:
    return atlas.images.iloc[atlas.readable]


def _images_of(atlas: Atlas, names: Sequence[str]) -> list[str]:
    """Return the first images of classes with these names; the first name is that of the kind."""
    images = _readable(atlas)
    has = [bool(set(names) & set(each)) for each in images["label_names"]]
    found = [str(image) for image in images["image"][has]]
    if not found:
        raise UnitscopeError(
            f"none of the {count_noun(len(images), 'image')} taken from '{atlas.root}' shows a {names[0]}"
        )
    return found[:_MAX_IMAGES_OF_A_KIND]


def _unit_with_highest_z_score(atlas: Atlas, layer: Layer) -> tuple[int, float]:
    """Return the unit whose last exemplar has the highest z-score, and this z-score."""
    units, top = atlas.units_of(layer), atlas.array("top_values")[:, atlas.index.span(layer)]
    if (count := len(_readable(atlas))) < len(top):
        raise UnitscopeError(
            f"a unit has {len(top)} exemplars, but only {count_noun(count, 'image')} in '{atlas.root}' can be read; "
            "give a folder with more images with --coco"
        )
    scores = (top[-1].to_numpy() - units["mean"]) / units["std"].where(units["std"] > 0)
    if scores.isna().all():
        raise UnitscopeError(
            f"every unit of {layer.name} has constant responses over the images in '{atlas.root}'; "
            "give other images with --coco, or omit this network"
        )
    best = int(np.nanargmax(scores.to_numpy()))
    return best, float(scores.iloc[best])


def _file_name(title: str) -> str:
    """``Figure 1. Structure`` becomes ``figure-1``; figures beyond the paper are named by their content."""
    number, _, what = title.partition(". ")
    chosen = what if number.startswith("Beyond") else number
    return chosen.lower().replace(" and ", "-").replace(" ", "-")


_FIGURES: tuple[tuple[str, Callable[[ReportNetwork], Drawn]], ...] = (
    ("Figure 1. Structure", _figure_1),
    ("Figure 2. A unit over COCO", _figure_2),
    ("Figure 3. Inhibitory units", _figure_3),
    ("Figure 4. Units that a cat and a dog share", _figure_4),
    ("Figures 5 and 6. Sparsity", _figures_5_and_6),
    ("Beyond figures 5 and 6. Sparsity over depth", _sparsity_by_depth),
    ("Figure 7. Noise", _figure_7),
    ("Beyond figure 7. Noise over depth", _noise_by_depth),
)
