"""Paired differences, against loops over units and over all signs, written from the definitions, and against SciPy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from unitscope.analyses.paired_tests import cohens_dz, rank_biserial, signed_rank

SEEDS = range(4)
SIDES = ["less", "greater"]


def paired(seed, images=24, units=6):
    """Differences with zeros, ties, and units without either."""
    random = np.random.default_rng(seed)
    values = random.normal(-0.3, 1, (images, units))
    values[:, 1] = np.round(values[:, 1], 1)
    values[random.random(images) < 0.4, 2] = 0
    values[:, 3] = 0
    values[:, 4] = random.integers(-2, 2, images)
    return values


def slow_ranks(sizes):
    """The rank of each magnitude, from 1; equal magnitudes share the mean of their ranks."""
    return [sum(s < size for s in sizes) + (sizes.count(size) + 1) / 2 for size in sizes]


def slow_rank_biserial(differences):
    """Kerby (2014): favourable minus unfavourable rank sums, divided by the sum of all ranks."""
    ranks = slow_ranks([abs(value) for value in differences])
    up = sum(rank for rank, value in zip(ranks, differences, strict=True) if value > 0)
    down = sum(rank for rank, value in zip(ranks, differences, strict=True) if value < 0)
    return (up - down) / sum(ranks)


def slow_signed_rank(differences, alternative):
    """Wilcoxon (1945): leave zeros out, rank the rest, and try every sign."""
    kept = [value for value in differences if value != 0]
    ranks = slow_ranks([abs(value) for value in kept])
    seen = sum(rank for rank, value in zip(ranks, kept, strict=True) if value > 0)
    sums = [sum(itertools.compress(ranks, ups)) for ups in itertools.product((0, 1), repeat=len(kept))]
    as_far = [total <= seen if alternative == "less" else total >= seen for total in sums]
    return sum(as_far) / len(as_far)


@pytest.mark.parametrize("seed", SEEDS)
def test_rank_biserial_is_as_defined(seed):
    values = paired(seed)
    np.testing.assert_allclose(rank_biserial(values), [slow_rank_biserial(list(unit)) for unit in values.T])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("images", [5, 8, 11])
@pytest.mark.parametrize("alternative", SIDES)
def test_few_images_use_all_sign_permutations(seed, images, alternative):
    values = paired(seed, images)
    expected = [slow_signed_rank(list(unit), alternative) for unit in values.T]
    np.testing.assert_allclose(signed_rank(values, alternative), expected, rtol=1e-12)


@pytest.mark.parametrize("images", [5, 13, 14, 50])
@pytest.mark.parametrize("alternative", SIDES)
def test_up_to_fifty_images_without_ties_and_zeros_equal_scipys_exact_test(images, alternative):
    values = np.random.default_rng(images).normal(-0.3, 1, (images, 9))
    expected = stats.wilcoxon(values, alternative=alternative, method="exact", axis=0).pvalue
    np.testing.assert_allclose(signed_rank(values, alternative), expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alternative", SIDES)
def test_few_differences_among_many_images_use_all_sign_permutations(seed, alternative):
    """3 of 46 images differ, in one direction: p is 1/8, where a normal approximation gives 0.043."""
    values = np.zeros((46, 7))
    values[5:15] = paired(seed, 10, 7)
    values[[4, 20, 40], 6] = [-0.1, -3, -0.5]
    values[5:15, 6] = 0
    expected = [slow_signed_rank(list(unit), alternative) for unit in values.T]
    np.testing.assert_allclose(signed_rank(values, alternative), expected, rtol=1e-12)
    assert expected[6] == (1 / 8 if alternative == "less" else 1)


@pytest.mark.parametrize("alternative", SIDES)
def test_up_to_fifty_equal_differences_are_the_sign_test(alternative):
    values = np.ones((50, 3))
    values[:20, 1], values[:40, 2] = -1, -1
    wanted = [stats.binomtest(int((unit > 0).sum()), 50, alternative=alternative).pvalue for unit in values.T]
    np.testing.assert_allclose(signed_rank(values, alternative), wanted, rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alternative", SIDES)
def test_many_images_equal_scipys_test_of_each_unit(seed, alternative):
    values = paired(seed, 150)
    given = {"zero_method": "wilcox", "correction": True, "alternative": alternative, "method": "asymptotic"}
    wanted = [stats.wilcoxon(unit, **given).pvalue if unit.any() else 1.0 for unit in values.T]
    np.testing.assert_allclose(signed_rank(values, alternative), wanted, rtol=1e-9)


@pytest.mark.parametrize("images", [8, 20, 46, 120])
@pytest.mark.parametrize("zeros", [0, 0.5, 0.9])
def test_differences_without_direction_are_rejected_in_at_most_1_of_20_cases(images, zeros):
    """The null distribution: 3,000 units with symmetric differences, of which some are zero."""
    rng = np.random.default_rng([images, round(10 * zeros)])
    values = rng.standard_t(2, (images, 3000)) * (rng.random((images, 3000)) >= zeros)
    rejected = (signed_rank(values, "less") <= 0.05).mean()
    assert rejected < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 3000)
    assert rejected > 0.025 or images * (1 - zeros) < 15  # discrete: with few differences, 5% can't be reached


def test_signed_rank_p_value_of_five_equal_signs_is_1_in_32():
    values = -np.arange(1.0, 6)[:, None]
    assert signed_rank(values, "less")[0] == 1 / 32
    assert signed_rank(values, "greater")[0] == 1


@pytest.mark.parametrize("images", [9, 20])
def test_a_unit_without_differences_or_with_nan_has_p_value_1(images):
    values = np.full((images, 2), -1.0)
    values[:, 0] = 0
    values[3, 1] = np.nan
    np.testing.assert_array_equal(signed_rank(values, "less"), 1)


def test_cohens_dz_is_mean_over_standard_deviation_and_nan_if_that_is_zero():
    values = paired(0)
    wanted = [unit.mean() / unit.std(ddof=1) if unit.std() else np.nan for unit in values.T]
    np.testing.assert_allclose(cohens_dz(values), wanted)
