"""The test of each claim of the paper: which number judges it, by which rule.

In: a network. Out: a `Verdict`; an error of unitscope's where the data can't test the claim.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.estimates import Estimate
from unitscope.analyses.statistics import wilson
from unitscope.errors import UnitscopeError
from unitscope.paper.cosine_table import more_alike_within
from unitscope.paper.generality import generality_of
from unitscope.paper.mean_and_max import TOP, agreements_of
from unitscope.paper.networks import ReportNetwork, Scanned
from unitscope.paper.overlap import Overlap, overlap_of
from unitscope.paper.removal import removals_of
from unitscope.paper.shared_exemplars import units_without_one_label
from unitscope.paper.sparseness import sparseness_of
from unitscope.paper.unit_figures import STANDS, inhibition_of, papers_noise, predictions_stand
from unitscope.paper.verdicts import OPEN, Measured, Verdict, by_interval, by_test, change_of, mean_of, unknown

MIN_OF_A_KIND = 10
"""Minimum number of images of cats, and of dogs."""

MOSTLY_ZERO = 0.5
"""A removal says nothing of units if more than this share of the removed maps was zero already."""

MARGIN = 0.01
"""A change of Top-1 by less than a point counts as none."""


@dataclass(frozen=True, slots=True)
class ClaimTest:
    """A claim, where the paper makes it, what number judges it by which rule, and the function that does."""

    claim: str
    where: str
    measure: str
    rule: str
    judge: Callable[..., Verdict]


def _general_to_specific(case: ReportNetwork) -> Verdict:
    return falls(generality_of(case).trend)


def falls(trend: Measured) -> Verdict:
    """Return whether a correlation with depth is negative."""
    return _reversed(by_interval(trend.minus(), above=0, below=0.3))


def _several_classes(case: ReportNetwork) -> Verdict:
    atlas = case.atlas if isinstance(case.images_scan, Scanned) else case.coco
    units, without = units_without_one_label(atlas, case.last)
    if not units:
        raise UnitscopeError("no class has as many images as a unit has exemplars, so a unit can't show one class only")
    low, high = wilson(without, units)
    return by_interval(Measured(without / units, low, high, len(atlas.readable)), above=0.5)


def _inhibitory(case: ReportNetwork) -> Verdict:
    found = inhibition_of(case)
    if found.units.empty:
        raise UnitscopeError(f"no unit of {found.layer.name} has a positive mean outside '{found.concept}'")
    return by_test(found.units["p_holm"].tolist(), len(found.images))


def _cat_and_dog(case: ReportNetwork) -> Verdict:
    return shares_more(overlap_of(case))


def shares_more(found: Overlap) -> Verdict:
    """Return whether a cat and a dog share more units than two other classes."""
    if found.fewest < MIN_OF_A_KIND:
        why = f"{found.cats} images of cats and {found.dogs} of dogs; {MIN_OF_A_KIND} of each are needed"
        return Verdict(OPEN, found.beyond_others, why=why)
    return by_interval(found.beyond_others, above=0, below=0.5)


def _one_class(case: ReportNetwork) -> Verdict:
    return by_interval(more_alike_within(case), above=0, below=0.05)


def _sound(case: ReportNetwork) -> Verdict:
    found = agreements_of(case)[-1].shared
    shares = Measured(found.value / TOP, found.low / TOP, found.high / TOP, found.images)
    return by_interval(shares, above=0.5)


def _sparse(case: ReportNetwork) -> Verdict:
    return by_interval(mean_of(sparseness_of(case).values["near_zero"]), above=0.5)


def sparser(one: ReportNetwork, other: ReportNetwork) -> Verdict:
    """Return whether a network is sparser than another one, on the same images."""
    found = sparseness_of(one).minus(sparseness_of(other), "gini")
    if not found.images:
        raise UnitscopeError("they were run on different images")
    return by_interval(found, above=0, below=0.02)


def costs_nothing(outcome: Outcome) -> Verdict:
    """Return whether a removal costs no accuracy; it can't be told if most removed maps were zero already."""
    counts, removed = outcome.counts, outcome.removed
    change = change_of(counts.gained, counts.lost, counts.score.images)
    if why := _nothing_at_stake(outcome):
        return Verdict(OPEN, change, why=why)
    assert removed is not None
    return replace(by_interval(change, above=-MARGIN, below=0), p_value=outcome.p_value)


def costs_something(outcome: Outcome) -> Verdict:
    """Return whether a removal costs accuracy."""
    counts = outcome.counts
    change = change_of(counts.gained, counts.lost, counts.score.images)
    if why := _nothing_at_stake(outcome):
        return Verdict(OPEN, change, why=why)
    return replace(_reversed(by_interval(change.minus(), above=0, below=MARGIN)), p_value=outcome.p_value)


def _nothing_at_stake(outcome: Outcome) -> str:
    removed = outcome.removed
    if removed is None or removed.nothing:
        return removed.note if removed else "it is unknown what was removed"
    zero = removed.already_zero or 0.0
    if zero > MOSTLY_ZERO:
        return f"{zero:.0%} of the removed maps were zero already, with {removed.share or 0:.2%} of Σ|α|"
    return ""


def _reversed(verdict: Verdict) -> Verdict:
    """Return a verdict on a number's negative with the number itself."""
    return replace(verdict, number=verdict.number.minus())


def _own_lowest(case: ReportNetwork) -> Verdict:
    return costs_nothing(removals_of(case).find("image", 0.2))


def _own_lowest_active(case: ReportNetwork) -> Verdict:
    return costs_nothing(removals_of(case).find("image", 0.2, among="active"))


def _lowest_of_the_data_set(case: ReportNetwork) -> Verdict:
    return costs_something(removals_of(case).find("dataset", 0.1))


def _maps_stand(case: ReportNetwork) -> Verdict:
    return maps_stand([unit.map_correlation for unit in papers_noise(case).units])


def maps_stand(correlations: Sequence[Estimate]) -> Verdict:
    """Return whether the maps of units correlate with those before a change, judged by the lowest correlation."""
    if not all(np.isfinite(one.value) for one in correlations):
        return unknown("a unit's maps are constant, so that they have no correlation")
    least = min(correlations, key=lambda one: one.value)
    half = float(stats.t.ppf(0.975, max(least.count - 1, 1))) * least.error
    number = Measured(least.value, least.value - half, min(least.value + half, 1.0), least.count)
    return by_interval(number, above=STANDS)


_UNDER_ZERO = "supported if the interval is below 0; not if it is above −0.3"
_HALF = "supported if the interval is above 0.5; not if it is below"

TESTS = (
    ClaimTest(
        "Shallow units are general, deep ones specific",
        "Figure 1",
        "Spearman's correlation, over the activation layers, of depth with the share of their 10 % of units with the "
        "highest responses that images of two classes have in common",
        _UNDER_ZERO,
        _general_to_specific,
    ),
    ClaimTest(
        "A unit responds to several classes",
        "Figure 2",
        "share of the last convolution's units whose exemplars have no label in common",
        _HALF,
        _several_classes,
    ),
    ClaimTest(
        "Inhibitory units exist",
        "Figure 3",
        "number of units that are darker on people than elsewhere and than their place explains, p ≤ 0.05 by Holm",
        "supported if there is one; not if there is none with 30 images or more",
        _inhibitory,
    ),
    ClaimTest(
        "A cat and a dog share units",
        "Figure 4",
        "mean number of the 9 units of highest response that a cat and a dog share, minus that of two other classes",
        "supported if the interval is above 0; not if it is below 0.5",
        _cat_and_dog,
    ),
    ClaimTest(
        "Similar images have similar responses",
        "Table 3",
        "mean cosine of two images of one class minus that of two classes",
        "supported if the interval is above 0; not if it is below 0.05",
        _one_class,
    ),
    ClaimTest(
        "α is a sound statistic",
        "algorithm 2",
        "share of an image's 9 units of highest response that are the same by mean and by maximum, last convolution",
        _HALF,
        _sound,
    ),
    ClaimTest(
        "Responses are mostly near zero",
        "Figures 5 and 6",
        "share of the last convolution's units with |α| below a tenth of the image's greatest, mean over the images",
        _HALF,
        _sparse,
    ),
    ClaimTest(
        "Removing each image's lowest 20 % of units costs nothing",
        "Table 4",
        "change of Top-1",
        "supported if the interval is above −0.01; not if it is below 0; can't be told if most removed maps were zero "
        "already",
        _own_lowest,
    ),
    ClaimTest(
        "Removing each image's lowest 20 % of active units costs nothing",
        "Table 4, among units that respond",
        "change of Top-1",
        "supported if the interval is above −0.01; not if it is below 0",
        _own_lowest_active,
    ),
    ClaimTest(
        "Removing the data set's lowest 10 % of units costs accuracy",
        "Table 5 (VGG-16 yes, ResNet-50 no)",
        "change of Top-1",
        "supported if the interval is below 0; not if it is above −0.01",
        _lowest_of_the_data_set,
    ),
    ClaimTest(
        "Predictions stand noise of σ = 0.1",
        "Figure 7",
        "share of predictions that stay the same",
        _HALF,
        predictions_stand,
    ),
    ClaimTest(
        "Units' maps stand noise of σ = 0.1",
        "Figure 7",
        "correlation of a unit's map before and after, mean over the images; the lower of the figure's two units",
        _HALF,
        _maps_stand,
    ),
)
"""The claims that can be tested on one network."""

sparser_than = ClaimTest(
    "ResNet-50 is sparser than VGG-16",
    "Figures 5 and 6",
    "Gini index of the last convolution's responses to an image, minus that of the other network, mean over the images",
    "supported if the interval is above 0; not if it is below 0.02",
    sparser,
)
"""The claim that compares two networks."""
