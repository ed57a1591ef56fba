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
    """Wilcoxon (1945), Pratt (1959): rank all, drop zeros, and try every sign of the rest."""
    ranks = slow_ranks([abs(value) for value in differences])
    kept = [(rank, value > 0) for rank, value in zip(ranks, differences, strict=True) if value != 0]
    seen = sum(rank for rank, positive in kept if positive)
    sums = [
        sum(itertools.compress([rank for rank, _ in kept], ups)) for ups in itertools.product((0, 1), repeat=len(kept))
    ]
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


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alternative", SIDES)
def test_few_images_with_ties_and_zeros_equal_scipys_sign_permutations(seed, alternative):
    values = paired(seed, 7)
    ways = stats.PermutationMethod(n_resamples=2**7)
    found = stats.wilcoxon(values, zero_method="pratt", alternative=alternative, method=ways, axis=0)
    np.testing.assert_allclose(signed_rank(values, alternative), found.pvalue)


@pytest.mark.parametrize("images", [5, 13, 14, 50])
@pytest.mark.parametrize("alternative", SIDES)
def test_up_to_fifty_images_without_ties_and_zeros_equal_scipys_exact_test(images, alternative):
    values = np.random.default_rng(images).normal(-0.3, 1, (images, 9))
    expected = stats.wilcoxon(values, alternative=alternative, method="exact", axis=0).pvalue
    np.testing.assert_allclose(signed_rank(values, alternative), expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("images", [14, 24, 60])
@pytest.mark.parametrize("alternative", SIDES)
def test_many_images_equal_scipys_test_of_each_unit(seed, images, alternative):
    values = paired(seed, images)
    alone = []
    for unit in values.T:
        sizes = np.abs(unit)
        exact = images <= 50 and sizes.all() and len(set(sizes)) == images
        given = {"zero_method": "pratt", "correction": True, "alternative": alternative}
        method = "exact" if exact else "asymptotic"
        alone.append(stats.wilcoxon(unit, method=method, **given).pvalue if sizes.any() else 1.0)
    np.testing.assert_allclose(signed_rank(values, alternative), alone)


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


def test_the_block_size_does_not_change_the_result(monkeypatch):
    values = paired(0, 6, 11)
    whole = signed_rank(values, "less")
    monkeypatch.setattr("unitscope.analyses.paired_tests._BLOCK", 3 * 2**6)
    np.testing.assert_array_equal(signed_rank(values, "less"), whole)


def test_a_wide_layer_with_ties_over_few_images_does_not_use_slow_scipy(monkeypatch):
    monkeypatch.delattr(stats, "wilcoxon")
    values = np.tile(paired(0, 12, 8), 256)
    found = signed_rank(values, "less")
    np.testing.assert_array_equal(found, np.tile(found[:8], 256))


def test_cohens_dz_is_mean_over_standard_deviation_and_nan_if_that_is_zero():
    values = paired(0)
    wanted = [unit.mean() / unit.std(ddof=1) if unit.std() else np.nan for unit in values.T]
    np.testing.assert_allclose(cohens_dz(values), wanted)
