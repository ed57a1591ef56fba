"""The rules that give verdicts, on data for which the right verdict is known, in both directions."""

import numpy as np
import pytest
from scipy import stats

from unitscope.paper.verdicts import NOT_SUPPORTED, OPEN, SUPPORTED, Measured, by_interval, by_test, change_of, mean_of


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.1, 0.4, SUPPORTED),
        (0.1, 0.2, SUPPORTED),
        (-0.1, 0.2, NOT_SUPPORTED),  # too small to matter, if it is there at all
        (-0.4, -0.1, NOT_SUPPORTED),
        (-0.1, 0.4, OPEN),
        (0.0, 0.4, OPEN),
        (np.nan, np.nan, OPEN),
    ],
)
def test_a_claim_holds_if_the_interval_is_above_and_fails_if_it_is_below(low, high, answer):
    found = by_interval(Measured(0.1, low, high, 100), above=0, below=0.3)
    assert found.answer == answer
    assert bool(found.why) == np.isnan(low)


def test_few_images_can_not_tell_whatever_the_interval():
    found = by_interval(Measured(5.0, 4.9, 5.1, 19), above=0)
    assert (found.answer, found.why) == (OPEN, "19 images; 20 are needed")


@pytest.mark.parametrize(
    ("corrected", "images", "answer"),
    [
        ([0.9, 0.04, 1.0], 10, SUPPORTED),
        ([0.9, 0.06, 1.0], 30, NOT_SUPPORTED),
        ([0.9, 0.06, 1.0], 29, OPEN),
        ([], 50, NOT_SUPPORTED),
    ],
)
def test_an_effect_exists_if_a_corrected_p_value_is_small(corrected, images, answer):
    assert by_test(corrected, images).answer == answer


def test_by_test_has_the_level_of_the_correction_where_no_unit_has_an_effect():
    random = np.random.default_rng(0)
    wrong = [by_test(np.minimum(random.random(100) * 100, 1), 50).answer == SUPPORTED for _ in range(2000)]
    assert 0.03 < np.mean(wrong) < 0.065


def test_the_mean_has_students_interval_and_leaves_out_nan():
    values = np.random.default_rng(0).normal(size=40)
    found = mean_of([*values, np.nan])
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert found.images == 40
    assert np.isnan(mean_of([1.0]).low)
    assert mean_of([]).images == 0


def test_the_interval_of_a_change_is_that_of_bonett_and_price():
    found = change_of(gained=4, lost=11, images=60)
    up, down, images = 5 / 62, 12 / 62, 62
    half = stats.norm.ppf(0.975) * np.sqrt((up + down - (up - down) ** 2) / images)
    assert found.value == pytest.approx(-7 / 60)
    assert (found.low, found.high) == pytest.approx((up - down - half, up - down + half))
    nothing = change_of(0, 0, 100)
    assert nothing.low < 0 < nothing.high


@pytest.mark.parametrize(("gain", "loss"), [(0.02, 0.02), (0.05, 0.15), (0.0, 0.01)])
def test_the_interval_of_a_change_covers_the_truth(gain, loss):
    counts = np.random.default_rng(1).multinomial(80, [gain, loss, 1 - gain - loss], 2000)
    found = [change_of(int(up), int(down), 80) for up, down, _ in counts]
    assert np.mean([one.low <= gain - loss <= one.high for one in found]) > 0.94
