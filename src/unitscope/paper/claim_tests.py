"""The test of each claim of the paper: which number judges it, by which rule.

In: a network. Out: a `Verdict`; an error of unitscope's where the data can't test the claim.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from unitscope.analyses.statistics import wilson
from unitscope.errors import UnitscopeError
from unitscope.paper.claim_rules import MIN_CELLS, costs_nothing, costs_something, falls, maps_stand, shares_more
from unitscope.paper.cosine_table import more_alike_within
from unitscope.paper.generality import generality_of
from unitscope.paper.mean_and_max import TOP, agreements_of
from unitscope.paper.networks import ReportNetwork, Scanned
from unitscope.paper.overlap import overlap_of
from unitscope.paper.removal import removals_of
from unitscope.paper.shared_exemplars import units_without_one_label
from unitscope.paper.sparseness import sparseness_of
from unitscope.paper.unit_figures import inhibition_of, papers_noise, predictions_stand
from unitscope.paper.verdicts import Measured, Verdict, by_interval, by_test, mean_of
from unitscope.text import count_noun


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
    if not found.images or one.atlas.root != other.atlas.root:
        raise UnitscopeError("they were run on different images")
    return by_interval(found, above=0, below=0.02)


def _own_lowest(case: ReportNetwork) -> Verdict:
    return costs_nothing(removals_of(case).find("image", 0.2))


def _own_lowest_active(case: ReportNetwork) -> Verdict:
    return costs_nothing(removals_of(case).find("image", 0.2, among="active"))


def _lowest_of_the_data_set(case: ReportNetwork) -> Verdict:
    return costs_something(removals_of(case).find("dataset", 0.1))


def _maps_stand(case: ReportNetwork) -> Verdict:
    units = papers_noise(case).units
    cells = min(math.prod(unit.layer.shape) // unit.layer.units for unit in units)
    if cells < MIN_CELLS:
        raise UnitscopeError(f"maps of {count_noun(cells, 'cell')} are too small to correlate")
    return maps_stand([unit.map_correlation for unit in units])


_TREND = "supported if the interval is below −0.5; not if it is above"
_HALF = "supported if the interval is above 0.5; not if it is below"

TESTS = (
    ClaimTest(
        "Shallow units are general, deep ones specific",
        "Figure 1",
        "Spearman's correlation, over the activation layers, of depth with the share of their 10 % of units with the "
        "highest responses that images of two classes have in common",
        _TREND,
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
        "supported if the interval is above −0.01, unless most removed maps were zero already; not if it is below 0",
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
        "supported if the interval is below 0; not if it is above −0.01, unless most removed maps were zero already",
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
