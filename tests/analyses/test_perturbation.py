"""How much a perturbation changes a network, against plain loops written from the definitions."""

import math

import numpy as np
import pytest
from scipy import stats

from unitscope.analyses.ablation_counts import Truth
from unitscope.analyses.estimates import Proportion, estimate, relative_change
from unitscope.analyses.perturbation import (
    PerturbationStats,
    correct_predictions,
    flips,
    layer_effects,
    map_correlations,
    mcnemar_by_draw,
    paired_cosines,
    selection_overlap,
    strongest,
    unit_effects,
)
from unitscope.units import Layer

RANDOM = np.random.default_rng(5)


def layer(units, index=0):
    return Layer(index, f"layer{index}", "activation", units, (units, 4, 4))


def responses(images, units):
    """Many ties and zeros, as behind a ReLU."""
    return np.maximum(RANDOM.integers(-3, 6, (images, units)), 0).astype(np.float32)


def readings(classes, *, units=0):
    draws, images = np.shape(classes)[:2]
    nothing = np.empty((draws, images, 0))
    followed = np.zeros((draws, images, units), np.float32)
    return PerturbationStats(nothing, nothing, nothing, followed, np.array(classes, np.int32))


@pytest.mark.parametrize(("units", "top"), [(40, 9), (40, 1), (9, 9), (5, 9)])
def test_overlap_counts_the_units_in_both_selections(units, top):
    before, after = responses(20, units), responses(20, units)
    found = selection_overlap(layer(units), before, after, top=top)
    for image in range(20):
        chosen = [
            set(sorted(range(units), key=lambda unit, row=row[image]: (-row[unit], unit))[:top])
            for row in (before, after)
        ]
        assert found[image] == len(chosen[0] & chosen[1]) / min(top, units)


def test_the_overlap_of_random_selections_equals_chance_level():
    random = np.random.default_rng(0)
    before, after = random.normal(size=(2, 4000, 30)).astype(np.float32)
    found = selection_overlap(layer(30), before, after, top=6)
    nothing = np.empty((1, 4000, 0))
    changed = PerturbationStats(found[None, :, None], found[None, :, None], nothing, nothing, nothing)
    (effect,) = layer_effects(changed, [layer(30)], top=6)
    assert effect.expected_by_chance == 6 / 30
    assert abs(effect.overlap.value - effect.expected_by_chance) < 4 * effect.overlap.error


def test_an_image_whose_layer_was_not_called_has_no_overlap_and_no_cosine():
    before = responses(3, 8) + 1
    after = before.copy()
    after[1] = np.nan
    assert np.isnan(selection_overlap(layer(8), before, after, top=3)).tolist() == [False, True, False]
    assert np.isnan(paired_cosines(before, after)).tolist() == [False, True, False]


def test_the_cosine_is_computed_for_each_image_and_nan_for_zero_vectors():
    before, after = responses(12, 7), responses(12, 7)
    before[3] = 0
    found = paired_cosines(before, after)
    for image, (a, b) in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
        lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
        if lengths == 0:
            assert np.isnan(found[image])
        else:
            assert found[image] == pytest.approx(sum(x * y for x, y in zip(a, b, strict=True)) / lengths)


def test_maps_are_correlated_over_positions():
    before, after = RANDOM.normal(3, 2, (2, 6, 5, 4)).astype(np.float32)
    found = map_correlations(before, after)
    expected = [stats.pearsonr(a.ravel(), b.ravel()).statistic for a, b in zip(before, after, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert map_correlations(before, -2 * before + 7).tolist() == pytest.approx([-1] * 6)


@pytest.mark.parametrize("constant", [0.0, 3.5, np.float32(0.1) * (1 + 3e-7 * RANDOM.random((4, 4)))])
def test_a_constant_map_has_no_correlation(constant):
    flat = np.broadcast_to(np.asarray(constant, np.float32), (1, 4, 4))
    other = RANDOM.normal(size=(1, 4, 4)).astype(np.float32)
    assert np.isnan([map_correlations(flat, other)[0], map_correlations(other, flat)[0]]).all()


def test_draws_are_averaged_within_each_image_first():
    values = RANDOM.normal(size=(3, 10))
    values[0, 2] = np.nan
    values[:, 7] = np.nan
    by_image = [np.mean([x for x in column if not math.isnan(x)]) for n, column in enumerate(values.T) if n != 7]
    found = estimate(values)
    assert found.count == 9
    assert found.value == pytest.approx(sum(by_image) / 9)
    assert found.error == pytest.approx(stats.sem(by_image))
    by_draw = [np.mean([x for x in row if not math.isnan(x)]) for row in values]
    assert found.spread == pytest.approx(np.std(by_draw, ddof=1))


def test_missing_values_errors_and_spreads_are_nan():
    single = estimate(np.array([[2.0]]))
    assert (single.value, single.count) == (2.0, 1)
    assert np.isnan([single.error, single.spread]).all()
    nothing = estimate(np.full((2, 3), np.nan))
    assert nothing.count == 0
    assert np.isnan([nothing.value, nothing.error, nothing.spread]).all()


def test_the_relative_change_is_a_ratio_of_means_with_the_bootstraps_error():
    random = np.random.default_rng(1)
    before = random.gamma(2, size=400)
    after = np.stack([before * 1.3 + random.normal(0, 0.3, 400) for _ in range(2)])
    found = relative_change(before, after)
    assert found.value == pytest.approx((after.mean() - before.mean()) / np.abs(before).mean())
    again = []
    for _ in range(2000):
        rows = random.integers(0, 400, 400)
        again.append((after[:, rows].mean() - before[rows].mean()) / np.abs(before[rows]).mean())
    assert found.error == pytest.approx(np.std(again), rel=0.1)
    assert found.spread > 0


def test_an_all_zero_unit_has_no_relative_change():
    assert np.isnan(relative_change(np.zeros(4), np.ones((1, 4))).value)


def test_a_units_effect_is_the_mean_difference_of_its_responses():
    before, after = RANDOM.normal(size=(1, 6, 2)), RANDOM.normal(size=(3, 6, 2))
    nothing = np.empty((1, 6, 0))
    clean = PerturbationStats(nothing, nothing, nothing, before.astype(np.float32), nothing.astype(np.int32))
    changed = PerturbationStats(
        nothing, nothing, np.full((3, 6, 2), 0.5), after.astype(np.float32), nothing.astype(np.int32)
    )
    effects = unit_effects(clean, changed, [(layer(9), 4), (layer(9), 8)])
    for number, effect in enumerate(effects):
        expected = [sum(after[d, i, number] - before[0, i, number] for d in range(3)) / 3 for i in range(6)]
        assert effect.response_change.value == pytest.approx(sum(expected) / 6, abs=1e-6)
        assert effect.map_correlation.value == 0.5
    assert [effect.unit for effect in effects] == [4, 8]


def test_flips_are_counted_in_each_draw():
    clean = readings([[[3, 1], [2, 0], [5, 4], [1, 0]]])
    changed = readings([[[3, 0], [0, 2], [5, 4], [1, 0]], [[1, 3], [0, 2], [4, 5], [1, 0]]])
    found = flips(clean, changed)
    assert found == Proportion((1, 3), 4)
    assert found.value == 0.5
    assert found.spread == pytest.approx(np.std([0.25, 0.75], ddof=1))
    assert found.interval == pytest.approx(tuple(stats.binomtest(2, 4).proportion_ci(method="wilson")))


def test_correct_predictions_are_counted_among_images_of_a_known_class():
    classes = [[[3, 1, 9], [2, 0, 9], [5, 4, 9], [1, 0, 9]]]
    truth = Truth.of([[1], [2, 7], [], [8]])
    assert correct_predictions(readings(classes), truth, among=1) == Proportion((1,), 3)
    assert correct_predictions(readings(classes), truth, among=2) == Proportion((2,), 3)
    assert correct_predictions(readings(classes), Truth.of([[], [], [], []]), among=1) is None


def test_mcnemar_pairs_each_draw_with_the_clean_predictions():
    truth = Truth.of([[0]] * 6)
    clean = readings([[[0], [0], [0], [0], [0], [1]]])
    changed = readings([[[0], [1], [1], [1], [1], [0]], [[0], [0], [0], [0], [0], [1]]])
    assert mcnemar_by_draw(clean, changed, truth) == pytest.approx((stats.binomtest(1, 5).pvalue, 1.0))
    assert mcnemar_by_draw(clean, changed, Truth.of([[]] * 6)) == ()


def test_a_network_without_classes_has_no_flips():
    features = readings(np.empty((1, 4, 0)))
    assert flips(features, features) is None
    assert correct_predictions(features, Truth.of([[1]] * 4), among=1) is None


def test_the_strongest_images_are_in_order_and_ties_go_to_the_first():
    assert strongest(np.array([1.0, 5.0, 3.0, 5.0, 0.0]), 3).tolist() == [1, 3, 2]
