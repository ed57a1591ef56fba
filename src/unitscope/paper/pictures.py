"""The paper's figures on one case of a report.

In: a case. Out: `Picture` values: a matplotlib Figure, what it is, what the reader must know; `Missing` where there is
none. Each function makes one figure, or says in an error why it can't.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure

from unitscope import figures
from unitscope.analyses.rules import shared
from unitscope.analyses.selection import Top, select
from unitscope.analyses.sparsity import sparsity, sparsity_by_depth
from unitscope.analyses.subjects import find_subject
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.experiments.inhibition import category_inhibition
from unitscope.experiments.inhibition_sheet import inhibition_sheet
from unitscope.experiments.perturbation_sheet import perturbed_sheet
from unitscope.experiments.perturbations import Noise
from unitscope.experiments.perturbing import PerturbResult, perturb
from unitscope.images import ImageSet
from unitscope.looking import Columns, exemplar_sheet, rule_sheet, structure
from unitscope.paper import values
from unitscope.paper.cases import Case, Say
from unitscope.paper.tables import Missing
from unitscope.units import Layer

_NOISE_IMAGES = 100
_PAPERS_SIGMA = 0.1
_MOST_IMAGES_OF_A_KIND = 60
_CATS_OF_IMAGENET, _DOGS_OF_IMAGENET = slice(281, 286), slice(151, 269)
_CONCEPT = "person"


Drawn = tuple[Figure, str]  # and the note for the reader


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure of the report: file name, title, drawing, and notes for the reader."""

    name: str
    title: str
    figure: Figure
    note: str = ""


def draw_all(case: Case, *, say: Say) -> Iterator[Picture | Missing]:
    """Yield each figure, or why it can't be had."""
    if not case.trained:
        yield Missing(f"Figures: {case.name}", f"{case.name} has no training, so its units tell nothing")
        return
    for title, draw in _FIGURES:
        full = f"{title}: {case.name}"
        say(full)
        try:
            figure, note = draw(case)
            yield Picture(f"{_file_name(title)}-{case.name}", full, figure, note)
        except UnitscopeError as problem:
            yield Missing(full, str(problem).rstrip("."))


def _figure_1(case: Case) -> Drawn:
    atlas = _atlas(case)
    image = str(atlas.images.query("error == ''")["image"].iloc[0])
    calls = len(case.trace.layers.activations)
    like_the_paper = calls == 49
    columns = Columns(10, 46, 3) if like_the_paper else Columns(start=min(2, calls))
    view = structure(case.network, atlas.root / image, columns=columns)
    note = "Layers 10, 13, …, 46 as in the paper." if like_the_paper else f"{calls} activation layers, evenly spaced."
    return figures.structure(view), f"{note} Image: {image}."


def _figure_2(case: Case) -> Drawn:
    atlas = _coco(case)
    if values.row_of(case.network.reference) == "VGG-16":
        unit, how = values.UNIT_OF_FIGURE_2, "the paper's unit"
    else:
        channel, score = _most_outstanding(atlas, case.last)
        unit = f"{case.last.name}:{channel}"
        how = f"of its layer's units the one whose exemplars stand out most, even the last by {score:.1f} deviations"
    sheet = exemplar_sheet(atlas, unit, network=case.network)
    return figures.exemplars(sheet), f"{unit}, {how}."


def _figure_3(case: Case) -> Drawn:
    atlas = _coco(case)
    found = category_inhibition(atlas, case.last, _CONCEPT, network=case.network)
    best = found.units.iloc[0]
    sheet = inhibition_sheet(atlas, found, network=case.network)
    note = (
        f"Units of {case.last.name} that are dark on every '{_CONCEPT}' (COCO's polygons) and bright beside it, over "
        f"{len(found.images)} images; the first has effect size {best['effect_size']:.2f}, corrected p "
        f"{best['p_corrected']:.2g}. The paper shows conv5_2:11 of Keras's VGG-16, dark on faces."
    )
    return figures.inhibition(sheet), note


def _figure_4(case: Case) -> Drawn:
    atlas = _atlas(case)
    imagenet = case.network.classes if case.network.wnids else ()
    cats = _images_of(atlas, ("cat", *imagenet[_CATS_OF_IMAGENET]))
    dogs = _images_of(atlas, ("dog", *imagenet[_DOGS_OF_IMAGENET]))
    subjects = {name: find_subject(atlas, name, case.last) for name in (*cats, *dogs)}
    chosen = {name: select(subject, Top(9)) for name, subject in subjects.items()}
    counts = {(cat, dog): len(chosen[cat] & chosen[dog]) for cat in cats for dog in dogs}
    most = max(counts, key=lambda pair: counts[pair])
    found = shared([subjects[name] for name in most], Top(9))
    average = float(np.mean(list(counts.values())))
    note = (
        f"At {case.last.name}: of {len(counts):,} pairs of a cat's image and a dog's, the one that shares most "
        f"of the 9 units of greatest response: {counts[most]} (its p is not corrected for this choice). A pair shares "
        f"{average:.2f} on average; chance would give {81 / case.last.units:.2f}. The paper's cat and dog share 3 of "
        "VGG-16's 512."
    )
    return figures.rules(rule_sheet(atlas, found, network=case.network)), note


def _figures_5_and_6(case: Case) -> Drawn:
    atlas = _atlas(case)
    present = {label.name for label in atlas.manifest.labels}
    wanted = [name for name in values.CLASSES_OF_FIGURES_5_AND_6.values() if name in present]
    spaced = sorted(present)
    others = [spaced[place * len(spaced) // 3] for place in range(3)] if len(spaced) >= 3 else spaced
    chosen = [*wanted, *(name for name in others if name not in wanted)][:3]
    found = sparsity(atlas, case.last, chosen)
    drawn = figures.sparsity(found, title=case.name)
    gini, hoyer = (float(found.population[index].mean()) for index in ("gini", "hoyer"))
    said = "the paper's classes" if len(wanted) == 3 else f"of the paper's classes here: {', '.join(wanted) or 'none'}"
    note = (
        f"{', '.join(chosen)} ({said}). {found.zero_fraction:.1%} of all responses are exactly zero; over the "
        f"units, each image by itself, Gini {gini:.2f}, Hoyer {hoyer:.2f}."
    )
    return drawn, note


def _sparsity_by_depth(case: Case) -> Drawn:
    drawn = figures.sparsity_by_depth(sparsity_by_depth(_atlas(case)), title=case.name)
    return drawn, "From the stored summaries of all images."


def _figure_7(case: Case) -> Drawn:
    noise = _noise(case)
    at = noise.perturbations.index(Noise(_PAPERS_SIGMA))
    effects = noise.effects[at]
    result = replace(noise, perturbations=(noise.perturbations[at],), effects=(effects,))
    said = "; ".join(
        f"{unit.layer.name}:{unit.unit} map correlation {unit.map_correlation.value:.2f}" for unit in effects.units
    )
    flips = f" {effects.flips.value:.1%} of {result.images} predictions flip." if effects.flips else ""
    note = f"Gaussian noise of σ = 0.1 (variance 0.01) on the 0–1 scale. {said}.{flips}"
    drawn = figures.perturbed(perturbed_sheet(case.network, result))
    return drawn, note


def _noise_by_depth(case: Case) -> Drawn:
    result = _noise(case)
    drawn = figures.perturbation(result.effects, title=f"Noise over depth: {case.name}")
    return drawn, f"{result.images} images, Gaussian noise on the 0–1 scale."


@lru_cache(maxsize=1)
def _noise(case: Case) -> PerturbResult:
    """One run for both figures, with the last convolution's two units of greatest mean response followed."""
    atlas = _atlas(case)
    table = atlas.units[(atlas.units["layer"] == case.last.name) & ~atlas.units["dead"]]
    units = [f"{case.last.name}:{int(channel)}" for channel in table.nlargest(2, "mean")["channel"]]
    changes = [Noise(sigma) for sigma in (0.05, _PAPERS_SIGMA, 0.2)]
    return perturb(case.network, _images(case).limit(_NOISE_IMAGES), changes, units=units)


def _atlas(case: Case) -> Atlas:
    if case.atlas is None:
        raise UnitscopeError(f"there are no images for {case.name}; give a folder with --imagenet")
    return case.atlas


def _images(case: Case) -> ImageSet:
    _atlas(case)
    assert case.images is not None
    return case.images


def _coco(case: Case) -> Atlas:
    if case.coco is None:
        raise UnitscopeError(f"{case.name} was not run over COCO's images")
    return case.coco


def _images_of(atlas: Atlas, names: Sequence[str]) -> list[str]:
    """The first images of classes with these names, the kind's own name first."""
    images = atlas.images.query("error == ''")
    has = [bool(set(names) & set(each)) for each in images["label_names"]]
    found = [str(image) for image in images["image"][has]]
    if not found:
        raise UnitscopeError(f"there is no image of a {names[0]} in '{atlas.root}'")
    return found[:_MOST_IMAGES_OF_A_KIND]


def _most_outstanding(atlas: Atlas, layer: Layer) -> tuple[int, float]:
    """The unit whose last exemplar is most standard deviations above its mean, and how many."""
    units, top = atlas.units.iloc[atlas.index.span(layer)], atlas.dataset["top_values"][-1].to_numpy()
    scores = (top[atlas.index.span(layer)] - units["mean"]) / units["std"].where(units["std"] > 0)
    best = int(np.nanargmax(scores.to_numpy()))
    return best, float(scores.iloc[best])


def _file_name(title: str) -> str:
    """``Figure 1. Structure`` becomes ``figure-1``, what goes beyond the paper is named by what it shows."""
    number, _, what = title.partition(". ")
    chosen = what if number.startswith("Beyond") else number
    return chosen.lower().replace(" and ", "-").replace(" ", "-")


_FIGURES: tuple[tuple[str, Callable[[Case], Drawn]], ...] = (
    ("Figure 1. Structure", _figure_1),
    ("Figure 2. A unit over COCO", _figure_2),
    ("Figure 3. Inhibitory units", _figure_3),
    ("Figure 4. Units that a cat and a dog share", _figure_4),
    ("Figures 5 and 6. Sparsity", _figures_5_and_6),
    ("Beyond figures 5 and 6. Sparsity over depth", _sparsity_by_depth),
    ("Figure 7. Noise", _figure_7),
    ("Beyond figure 7. Noise over depth", _noise_by_depth),
)
