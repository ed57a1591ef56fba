"""The selectivity index and d′ against loops written from their definitions, and their bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from unitscope.summaries import ClassSums
from unitscope.summaries.selectivity import can_depend_on_labels, d_prime, selectivity_index


def slow_index(means, lowest):
    """The definition, for one unit."""
    known = [mean for mean in means if np.isfinite(mean)]
    if len(known) < 2:
        return np.nan
    greatest = max(known)
    rest = (sum(known) - greatest) / (len(known) - 1)
    scale = greatest + rest - 2 * min(lowest, 0)
    return (greatest - rest) / scale if scale > 1e-6 * abs(min(lowest, 0)) else np.nan


def morcos(means):
    """Morcos et al. (2018), section 2.3."""
    rest = np.delete(means, means.argmax()).mean()
    return (means.max() - rest) / (means.max() + rest)


@pytest.mark.parametrize("seed", range(3))
def test_the_index_is_as_defined(seed):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(5, 40))
    means[rng.random((5, 40)) < 0.3] = np.nan
    lowest = np.nanmin(np.vstack([means, np.zeros(40)]), 0) - rng.random(40)
    best, index = selectivity_index(means, lowest)
    np.testing.assert_allclose(index, [slow_index(*each) for each in zip(means.T, lowest, strict=True)], rtol=1e-12)
    known = np.isfinite(index)
    np.testing.assert_array_equal(best[known], np.nanargmax(means[:, known], 0))


def test_without_negative_responses_it_is_the_index_of_morcos():
    means = np.random.default_rng(0).random((4, 9)) + 0.1
    _, index = selectivity_index(means, means.min(0) / 2)
    np.testing.assert_allclose(index, [morcos(unit) for unit in means.T], rtol=1e-12)


@given(arrays(np.float32, (7, 3), elements=some.floats(-(2.0**20), 2.0**20, width=32)))
def test_it_is_between_0_and_1_for_responses_of_any_sign(responses):
    sums = ClassSums.of(responses, [(row % 3,) for row in range(7)], classes=3)
    _, index = selectivity_index(sums.means, responses.min(0))
    known = index[np.isfinite(index)]
    assert ((known >= 0) & (known <= 1)).all()


def test_it_is_1_if_the_other_classes_have_the_lowest_response_and_0_if_all_means_are_equal():
    means = np.array([[2.0, -1.0, 0.5], [-3.0, -1.0, 0.0], [-3.0, -1.0, 0.0]])
    np.testing.assert_allclose(selectivity_index(means, np.array([-3.0, -2.0, 0.0]))[1], [1, 0, 1])


def test_it_is_missing_for_one_class_and_for_equal_responses():
    means = np.array([[1.0, -0.1, 0.0], [np.nan, -0.1 + 1e-12, 0.0]])
    assert np.isnan(selectivity_index(means, np.array([0.0, np.float32(-0.1), 0.0]))[1]).all()


def test_labels_make_a_difference_if_two_classes_have_two_responses():
    responses = np.zeros((4, 3), np.float32)
    responses[0, 1] = np.nan
    assert can_depend_on_labels(ClassSums.of(responses, [(0,), (0,), (1,), (1,)], classes=2)).tolist() == [1, 0, 1]
    assert not can_depend_on_labels(ClassSums.of(responses, [(0,), (1,), (2,), (2,)], classes=3)).any()


@pytest.mark.parametrize("seed", range(3))
def test_d_prime_is_the_difference_in_pooled_standard_deviations(seed):
    rng = np.random.default_rng(seed)
    of_class, others = rng.normal(1, 2, (6, 8)), rng.normal(0, 3, (11, 8))
    every = np.concatenate([of_class, others])
    found = d_prime(of_class.mean(0), np.full(8, 6), mean=every.mean(0), std=every.std(0), count=np.full(8, len(every)))
    pooled = np.sqrt((5 * of_class.var(0, ddof=1) + 10 * others.var(0, ddof=1)) / 15)
    np.testing.assert_allclose(found, (of_class.mean(0) - others.mean(0)) / pooled, rtol=1e-10)


def test_d_prime_is_missing_without_spread_or_other_images():
    moments = {"mean": np.array([0.5, 1.0]), "std": np.array([0.5, 1.0]), "count": np.array([4, 6])}
    assert np.isnan(d_prime(np.array([1.0, 1.0]), np.array([2, 6]), **moments)).all()
