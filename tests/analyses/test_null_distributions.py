"""The null distribution of each p-value, simulated: at a nominal 5%, at most 5% are rejected.

Here are the tests of shared units, of predictions, and of paired maps and logits. Those of a class against others, of
the selectivity index, of CKA and of the test of place on real responses stand beside the tests of these analyses.
"""

import numpy as np
import pytest

from unitscope.analyses.ablation_counts import PredictionChanges, Score
from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.inhibition import logit_rise, map_contrast
from unitscope.analyses.layer_overlap import layer_overlap
from unitscope.analyses.selection import TopK
from unitscope.analyses.statistics import mcnemar
from unitscope.analyses.unit_rules import difference, intersection
from unitscope.units import Layer

LAYER = Layer(0, "relu", "activation", 60, (60, 2, 2))
LEVEL = 0.05


def most(cases):
    """The greatest share of rejections that is within three standard deviations of the level."""
    return LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / cases)


def random_group(name, rng, images=1):
    ids = tuple(f"{name}/{number}" for number in range(images))
    return ImageGroup(name, LAYER, ids, rng.random((images, LAYER.units), np.float32))


def shared(rng):
    return intersection([random_group(name, rng) for name in "ab"], TopK(15))


def shared_by_three(rng):
    return intersection([random_group(name, rng, 4) for name in "abc"], TopK(25))


def only(rng):
    return difference([random_group("a", rng), random_group("b", rng)], [random_group("c", rng)], TopK(20))


def at_least(rng):
    return intersection([random_group("a", rng, 9)], TopK(15), at_least=6)


@pytest.mark.parametrize("rule", [shared, shared_by_three, only, at_least])
def test_random_selections_share_significantly_many_units_in_at_most_1_of_20_cases(rule):
    rng = np.random.default_rng(0)
    found = [rule(rng) for _ in range(500)]
    rejected = np.mean([one.p_value <= LEVEL for one in found])
    assert rejected < most(500)
    assert rejected > 0.005 or rule is at_least  # a bound, which the rule with at_least has, may never reach 5%


def test_a_count_is_significant_for_any_unit_of_a_layer_in_at_most_1_of_20_cases():
    rng = np.random.default_rng(1)
    found = [intersection([random_group("a", rng, 9)], TopK(20), at_least=1) for _ in range(400)]
    assert np.mean([(one.support_p <= LEVEL).any() for one in found]) < most(400)


def test_the_overlap_at_a_layer_of_independent_images_is_significant_in_at_most_1_of_20_cases(make_atlas):
    atlas = make_atlas(np.random.default_rng(2).random((40, 31 * 20)), layers={f"l{n}": 31 for n in range(20)})
    pairs = [(f"{n:05d}.png", f"{n + 1:05d}.png") for n in range(0, 40, 2)]
    p_values = np.concatenate([layer_overlap(atlas, pair, 9).table["p_value"] for pair in pairs])
    assert len(p_values) == 400
    assert 0.005 < (p_values <= LEVEL).mean() < most(400)


@pytest.mark.parametrize("changed", [3, 12, 60])
def test_predictions_that_change_in_either_direction_are_rejected_in_at_most_1_of_20_cases(changed):
    gained = np.random.default_rng(changed).binomial(changed, 0.5, 3000)
    p_values = np.array([mcnemar(int(up), changed - int(up)) for up in gained])
    assert (p_values <= LEVEL).mean() < most(3000)
    assert (p_values <= LEVEL).mean() > 0.02 or changed < 6  # with 5 changes the least p-value is 1/16
    changes = PredictionChanges(100, Score(100, 50, 80), int(gained[0]), changed - int(gained[0]), changed)
    assert changes.p_value == p_values[0]


@pytest.mark.parametrize("images", [6, 24, 80])
@pytest.mark.parametrize("zeros", [0, 0.8])
def test_removals_that_do_nothing_on_average_raise_the_logit_of_at_most_1_of_20_units(images, zeros):
    rng = np.random.default_rng([images, round(zeros)])
    changes = rng.standard_t(3, (images, 2000)) * (rng.random((images, 2000)) >= zeros)
    table = logit_rise(changes)
    assert (table["logit_p_value"] <= LEVEL).mean() < most(2000)
    assert (table["logit_p_corrected"] <= LEVEL).sum() == (table["logit_p_holm"] <= LEVEL).sum() == 0


@pytest.mark.parametrize("place", [0, 2])
def test_maps_that_are_dark_by_their_place_only_are_found_for_at_most_1_of_20_units(place):
    """Every image is darker inside an outline, more so for outlines in the middle; the concept makes no difference."""
    rng = np.random.default_rng(3)
    middle = rng.random((30, 1)) * place
    contrast, by_place = (rng.normal(-middle, 1, (30, 2000)) for _ in range(2))
    table = map_contrast(5 + contrast, np.full((30, 2000), 5.0), by_place)
    rejected = (table["p_value"] <= LEVEL).mean()
    assert rejected < most(2000)
    assert rejected > 0.03 or place == 0  # without an effect of place both tests must reject by chance
    assert (table["p_corrected"] <= LEVEL).sum() == 0
    alone = map_contrast(5 + contrast, np.full((30, 2000), 5.0))
    assert ((alone["p_value"] <= LEVEL).mean() > 0.5) == (place > 0)
