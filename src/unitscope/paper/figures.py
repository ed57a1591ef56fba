"""The paper's figures for one network of a report.

In: a network. Out: `Picture` values (a matplotlib Figure, its title, notes for the reader), or `Missing` with the
reason.
Each function makes one figure, or raises an error that says why it can't; `unit_figures` has those of single units.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from unitscope import figures
from unitscope.analyses.image_groups import image_group
from unitscope.analyses.selection import TopK, select
from unitscope.analyses.sparsity import sparsity
from unitscope.analyses.sparsity_by_layer import sparsity_by_layer
from unitscope.analyses.unit_rules import intersection
from unitscope.atlas import Atlas
from unitscope.errors import UnitscopeError
from unitscope.figures.text_layout import minus
from unitscope.images import decode_row
from unitscope.inspection import LayerRange, rule_sheet, structure
from unitscope.paper import published_values as values
from unitscope.paper.generality import generality_of
from unitscope.paper.generality_chart import generality_chart
from unitscope.paper.networks import OWN_IMAGES, Log, ReportNetwork, Unscanned
from unitscope.paper.overlap import KINDS, TOP, Overlap, overlap_of
from unitscope.paper.report_items import Missing, Picture, attempt
from unitscope.paper.samples import MAX_OF_A_KIND, kinds_of
from unitscope.paper.unit_figures import Drawn, figure_2, figure_2_on_own_images, figure_3, figure_7, noise_of
from unitscope.text import count_noun

_PAPERS_CALLS = 49  # activation layers of ResNet-50


def draw_all(case: ReportNetwork, *, log: Log) -> Iterator[Picture | Missing]:
    """Yield each figure, or the reason why it can't be made; a single reason if none can."""
    if isinstance(case.images_scan, Unscanned) and isinstance(case.coco_scan, Unscanned):
        yield Missing(f"Figures: {case.name}", case.images_scan.reason)
        return
    for title, draw in _FIGURES:
        if draw is figure_2_on_own_images and case.coco_scan != Unscanned(OWN_IMAGES):
            continue
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
    return figures.structure(view, proportional=True), f"Shown of {calls} activation layers: {which}. Image: {image}."


def _generality_by_depth(case: ReportNetwork) -> Drawn:
    found = generality_of(case)
    trend = found.trend
    note = (
        "For each pair of images, the share of a layer's 10 % of units with the highest responses that both have; by "
        "chance it is 10 %. Where units are general, images of different classes share many. Bands are 95 % intervals "
        f"over {trend.images} images. Spearman's correlation of the first curve with depth: "
        + minus(f"{trend.value:.2f} ({trend.low:.2f} to {trend.high:.2f}).")
    )
    return generality_chart(found, title=f"Generality over depth: {case.name}"), note


def _figure_4(case: ReportNetwork) -> Drawn:
    atlas = case.atlas
    kinds = kinds_of(atlas, case.network.classes, imagenet=bool(case.network.wnids))
    cats, dogs = (_images_of(atlas, names, kind) for names, kind in zip(kinds, ("cat", "dog"), strict=True))
    groups = {name: image_group(atlas, name, case.last) for name in (*cats, *dogs)}
    chosen = {name: select(group, TopK(TOP)) for name, group in groups.items()}
    counts = {(cat, dog): len(chosen[cat] & chosen[dog]) for cat in cats for dog in dogs}
    most = max(counts, key=lambda pair: counts[pair])
    found = intersection([groups[name] for name in most], TopK(TOP))
    assert found.p_value is not None
    # The best of many pairs, so Bonferroni's correction, which equals Holm's for the least p-value.
    chance = f"p = {min(1.0, found.p_value * len(counts)):.2g}, corrected for {len(counts):,} pairs"
    shares = f"{counts[most]} unit{'' if counts[most] == 1 else 's'}"
    note = (
        f"At {case.last.name}: of {len(counts):,} pairs of a cat's image and a dog's, this one shares most of the 9 "
        f"units of highest response: {counts[most]} ({chance}). {_on_average(overlap_of(case))} The paper's cat and "
        f"dog share {values.SHARED_BY_CAT_AND_DOG} of VGG-16's 512."
    )
    sheet = rule_sheet(atlas, found, network=case.session)
    sheet_note = f"{shares}; {found.expected:.3g} expected by chance ({chance})."
    return figures.rules(replace(sheet, note=sheet_note)), note


def _on_average(found: Overlap) -> str:
    means = "; ".join(
        f"{name} {found.means[name].value:.2f}" + (f" ± {found.spreads[name]:.2f}" if found.pairs[name] > 1 else "")
        for name in KINDS
        if found.pairs[name]
    )
    return f"Mean and standard deviation over all pairs: {means}; chance would give {found.chance:.2f}."


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


def _noise_by_depth(case: ReportNetwork) -> Drawn:
    result = noise_of(case)
    drawn = figures.perturbation(result.effects, title=f"Noise over depth: {case.name}")
    return drawn, f"{result.images} images, Gaussian noise on the 0–1 scale."


def _readable(atlas: Atlas) -> pd.DataFrame:
    return atlas.images.iloc[atlas.readable]


def _images_of(atlas: Atlas, names: set[str], kind: str) -> Sequence[str]:
    """Return the first images of classes with these names."""
    images = _readable(atlas)
    has = np.array([bool(names & set(each)) for each in images["label_names"]], bool)
    if not has.any():
        raise UnitscopeError(f"none of the {count_noun(len(images), 'image')} taken from '{atlas.root}' shows a {kind}")
    return [str(image) for image in images["image"][has][:MAX_OF_A_KIND]]


def _file_name(title: str) -> str:
    """``Figure 1. Structure`` becomes ``figure-1``; figures beyond the paper are named by their content."""
    number, _, what = title.partition(". ")
    chosen = what if number.startswith("Beyond") else number
    return chosen.lower().replace(" and ", "-").replace(" ", "-")


_FIGURES: tuple[tuple[str, Callable[[ReportNetwork], Drawn]], ...] = (
    ("Figure 1. Structure", _figure_1),
    ("Figure 2. A unit over COCO", figure_2),
    ("Figure 2 on own images. A unit over its own images", figure_2_on_own_images),
    ("Figure 3. Inhibitory units", figure_3),
    ("Figure 4. Units that a cat and a dog share", _figure_4),
    ("Figures 5 and 6. Sparsity", _figures_5_and_6),
    ("Beyond figures 5 and 6. Sparsity over depth", _sparsity_by_depth),
    ("Figure 7. Noise", figure_7),
    ("Beyond figure 7. Noise over depth", _noise_by_depth),
    ("Beyond figure 1. Generality over depth", _generality_by_depth),
)
