"""Inhibition, against loops over units written from the definitions, and units with a known effect."""

import numpy as np
import pytest
from scipy import stats

from unitscope.analyses.inhibition import logit_rise, map_contrast
from unitscope.analyses.paired_tests import rank_biserial, signed_rank
from unitscope.errors import UnitscopeError


def planted_maps(images=30):
    """Inside, outside, by position. Units: 0 dark inside, 1 noise, 2 dark by position, 3 dead, 4 bright inside."""
    random = np.random.default_rng(5)
    outside = random.gamma(2, 1, (images, 5))
    inside = random.gamma(2, 1, (images, 5))
    by_place = random.normal(0, 0.1, (images, 5))
    inside[:, 0] *= 0.1
    by_place[:, 2] = random.normal(-1.5, 0.3, images)
    inside[:, 2] = np.maximum(outside[:, 2] + by_place[:, 2] + random.normal(0, 0.3, images), 0)
    inside[:, 3] = outside[:, 3] = 0
    inside[:, 4] += 3
    return inside, outside, by_place


def test_the_known_unit_is_found_and_noise_position_and_dead_units_are_not():
    table = map_contrast(*planted_maps())
    assert table["unit"].iloc[0] == 0
    assert set(table["unit"]) == {0, 1, 2, 4}
    assert list(table["unit"][table["p_corrected"] < 0.05]) == [0]
    assert list(table["unit"][table["p_holm"] < 0.05]) == [0]
    assert table["unit"].iloc[-1] == 4


def test_without_other_images_position_is_not_controlled():
    inside, outside, _ = planted_maps()
    table = map_contrast(inside, outside)
    assert set(table["unit"][table["p_corrected"] < 0.05]) == {0, 2}
    assert table["by_place"].isna().all()


def test_the_table_has_means_and_the_larger_p_value_of_both_tests():
    inside, outside, by_place = planted_maps()
    table = map_contrast(inside, outside, by_place).set_index("unit").sort_index()
    raw, beyond = inside - outside, inside - outside - by_place
    kept = table.index
    np.testing.assert_allclose(table["inside"], inside.mean(0)[kept])
    np.testing.assert_allclose(table["contrast"], raw.mean(0)[kept])
    effects = np.maximum(rank_biserial(raw), rank_biserial(beyond))[kept]
    np.testing.assert_allclose(table["effect_size"], effects)
    p_values = np.maximum(signed_rank(raw, "less"), signed_rank(beyond, "less"))[kept]
    np.testing.assert_allclose(table["p_value"], p_values)
    np.testing.assert_allclose(table["p_corrected"], stats.false_discovery_control(p_values))
    assert (table["images"] == 30).all()


def test_equal_effects_are_ordered_by_contrast_then_unit():
    inside = np.zeros((6, 3))
    outside = np.array([1.0, 2.0, 1.0]) * np.arange(1, 7)[:, None]
    table = map_contrast(inside, outside)
    assert (table["effect_size"] == -1).all()
    assert table["unit"].tolist() == [1, 0, 2]


def test_logit_rise_ranks_by_the_mean_change():
    random = np.random.default_rng(3)
    changes = random.normal(0, 0.1, (15, 4))
    changes[:, 2] += 1
    changes[:, 1] -= 1
    changes[:, 3] = 0
    table = logit_rise(changes)
    assert table["unit"].iloc[0] == 2
    assert table["unit"].iloc[-1] == 1
    by_unit = table.set_index("unit").sort_index()
    np.testing.assert_allclose(by_unit["logit_change"], changes.mean(0))
    assert by_unit["logit_p_value"][2] == pytest.approx(stats.wilcoxon(changes[:, 2], alternative="greater").pvalue)
    assert by_unit["logit_p_value"][3] == 1
    assert list(table["unit"][table["logit_p_corrected"] < 0.05]) == [2]


@pytest.mark.parametrize("ask", [lambda v: map_contrast(v, v), logit_rise])
def test_four_images_are_too_few(ask):
    with pytest.raises(UnitscopeError, match=r"needs at least 5 images.*, but there are 4"):
        ask(np.ones((4, 2)))


def test_five_are_enough_to_find_a_unit():
    inside, others = np.zeros((5, 1)), np.arange(1.0, 6)[:, None]
    assert map_contrast(inside, others)["p_corrected"].tolist() == [1 / 32]
    assert logit_rise(others)["logit_p_corrected"].tolist() == [1 / 32]
