"""Intervals, tests and corrections against their definitions."""

from math import comb, sqrt

import numpy as np
import pytest

from unitscope.analyses.statistics import benjamini_hochberg, holm, mcnemar, wilson


@pytest.mark.parametrize(("right", "total"), [(0, 10), (3, 10), (10, 10), (435, 500)])
def test_wilsons_interval_is_the_textbook_formula(right, total):
    z, share = 1.959963984540054, right / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    assert wilson(right, total) == pytest.approx((middle - half, middle + half), abs=1e-12)


@pytest.mark.parametrize(("gained", "lost"), [(0, 5), (3, 10), (4, 4), (12, 1)])
def test_mcnemar_counts_both_tails_of_fair_coins(gained, lost):
    total = gained + lost
    tail = sum(comb(total, k) for k in range(min(gained, lost) + 1)) / 2**total
    assert mcnemar(gained, lost) == pytest.approx(min(1.0, 2 * tail))


def test_mcnemar_of_no_change_is_certain():
    assert mcnemar(0, 0) == 1.0


def by_definition(p_values, factor, running):
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    corrected = [0.0] * len(p_values)
    for place, at in enumerate(order):
        corrected[at] = min(
            1.0, running(factor(other) * p_values[order[other]] for other in _span(running, place, order))
        )
    return corrected


def _span(running, place, order):
    return range(place + 1) if running is max else range(place, len(order))


@pytest.mark.parametrize("seed", range(5))
def test_corrections_equal_holm_and_benjamini_hochberg(seed):
    p_values = np.random.default_rng(seed).random(17) ** 3
    count = len(p_values)
    assert holm(p_values) == pytest.approx(by_definition(p_values, lambda place: count - place, max))
    assert benjamini_hochberg(p_values) == pytest.approx(
        by_definition(p_values, lambda place: count / (place + 1), min)
    )


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_untested_p_values_are_not_counted(correct):
    found = correct([0.01, np.nan, 0.03])
    assert np.isnan(found[1])
    assert found[[0, 2]] == pytest.approx(correct([0.01, 0.03]))
