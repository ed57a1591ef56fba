"""Rules against Python's sets, and probabilities against full enumeration."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest

from unitscope import Threshold, TopK, difference, intersection, top_units
from unitscope.analyses.chance import expected_overlap, overlap_tail, support_bound, support_tails
from unitscope.analyses.image_groups import ImageGroup
from unitscope.errors import UnitscopeError
from unitscope.units import Layer

UNITS = 40
LAYER = Layer(3, "relu_2", "activation", UNITS, (UNITS, 4, 4))


def group(name, responses, *, images=None, layer=LAYER):
    rows = np.atleast_2d(np.asarray(responses, np.float32))
    return ImageGroup(name, layer, tuple(images or (f"{name}/{n}" for n in range(len(rows)))), rows)


def groups(*, seed, sizes):
    """Seeded responses with many ties, one class for each of the sizes."""
    random = np.random.default_rng(seed)
    return [group(f"class:{n}", random.integers(0, 12, (size, UNITS))) for n, size in enumerate(sizes)]


def top_set(responses, n):
    return set(sorted(range(UNITS), key=lambda unit: (-responses[unit], unit))[:n])


def ordered(units, mean):
    return sorted(units, key=lambda unit: (-mean[unit], unit))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("selector", [TopK(9), Threshold(6.0)])
def test_rules_equal_set_operations(seed, selector):
    requested = groups(seed=seed, sizes=(1, 3, 2, 1))
    means = [one.responses.astype(float).mean(0) for one in requested]
    sets = [
        top_set(mean, 9) if isinstance(selector, TopK) else {u for u in range(UNITS) if mean[u] > selector.threshold}
        for mean in means
    ]
    both = (means[0] + means[1]) / 2
    assert top_units(requested[1], selector).units.tolist() == ordered(sets[1], means[1])
    assert intersection(requested[:2], selector).units.tolist() == ordered(sets[0] & sets[1], both)
    assert difference(requested[:2], requested[2:], selector).units.tolist() == ordered(
        sets[0] & sets[1] - sets[2] - sets[3], both
    )


@pytest.mark.parametrize("seed", range(6))
def test_support_and_at_least_count_images(seed):
    requested = groups(seed=seed, sizes=(4, 3))
    rows = [row for one in requested for row in one.responses]
    counts = Counter(unit for row in rows for unit in top_set(row, 9))
    mean = (requested[0].mean + requested[1].mean) / 2
    for count in (1, 3, 7):
        found = intersection(requested, at_least=count)
        assert found.units.tolist() == ordered((unit for unit in range(UNITS) if counts[unit] >= count), mean)
        assert found.support.tolist() == [counts[unit] for unit in found.units.tolist()]
        assert found.images == 7
    np.testing.assert_allclose(found.responses, mean[found.units])
    np.testing.assert_allclose(found.responses_by_subject[requested[1].name], requested[1].mean[found.units])


def test_at_least_all_images_equals_the_intersection():
    one, two = groups(seed=1, sizes=(2, 1))
    singles = [group(name, row) for name, row in zip("abc", [*one.responses, *two.responses], strict=True)]
    whole, each = intersection([one, two], TopK(20), at_least=3), intersection(singles, TopK(20))
    assert whole.selection == each.selection
    assert len(whole.units)
    assert (whole.expected, whole.p_value) == (each.expected, each.p_value)


def test_an_image_of_two_classes_counts_once():
    rows = groups(seed=2, sizes=(3,))[0].responses
    one = group("class:cat", rows[:2], images=("a", "b"))
    two = group("class:pet", rows[1:], images=("b", "c"))
    assert intersection([one, two], at_least=3).images == 3
    with pytest.raises(UnitscopeError, match="at least 4 of 3 images"):
        intersection([one, two], at_least=4)


def test_a_known_shared_unit_is_found_and_chance_is_not():
    random = np.random.default_rng(0)
    layer = Layer(3, "relu_2", "activation", 512, (512, 7, 7))
    cats, dogs = (random.exponential(size=(50, 512)).astype(np.float32) for _ in range(2))
    cats[:, [71, 274]] += 6
    dogs[:, [71, 446]] += 6
    requested = [group("class:cat", cats, layer=layer), group("class:dog", dogs, layer=layer)]
    found = intersection(requested, at_least=90)
    assert found.units.tolist() == [71]
    assert found.support_p[0] < 1e-50
    assert found.p_value < 1e-50
    assert found.expected < 1e-50
    assert difference(requested[:1], requested[1:], TopK(2)).units.tolist() == [274]
    nothing = intersection([group("a", cats[0], layer=layer), group("b", random.permutation(cats[1]), layer=layer)])
    assert nothing.p_value > 0.05


def test_top_units_have_no_comparison_with_chance():
    found = top_units(groups(seed=0, sizes=(3,))[0])
    assert (found.expected, found.p_value, found.base_rate, found.images) == (None, None, None, 3)


def refusals():
    one, two, same = groups(seed=3, sizes=(1, 2, 1))
    elsewhere = group("d", np.zeros(UNITS), layer=Layer(4, "relu_3", "activation", UNITS, (UNITS,)))
    alias = group("tench.png", one.responses, images=one.images)
    yield lambda: intersection([one]), "shared units need two or more images or classes, but only 'class:0' was given"
    yield lambda: intersection([]), "no image or class was given"
    yield lambda: difference([], [one]), "no image or class was given"
    yield lambda: difference([one], []), "'class:0' has no images to differ from"
    yield lambda: intersection([one, two, one]), "'class:0' was given twice"
    yield lambda: difference([one], [one]), "'class:0' was given twice"
    yield lambda: intersection([one, alias]), "'class:0' and 'tench.png' are the same images"
    yield (
        lambda: intersection([one, elsewhere]),
        "from layer 'relu_2' but 'd' from 'relu_3'; use the same layer for both",
    )
    yield lambda: intersection([one, two], at_least=4), "at least 4 of 3 images"
    yield lambda: intersection([two], at_least=0), "at least 0 of 2 images"
    yield lambda: intersection([one, same], TopK(41)), "top 41 of layer 'relu_2': it has 40 units"


@pytest.mark.parametrize(("ask", "message"), list(refusals()))
def test_invalid_arguments_are_refused(ask, message):
    with pytest.raises(UnitscopeError, match=message):
        ask()


def overlaps(sizes, units):
    """The number of shared units for every way to draw sets of these sizes."""
    ways = product(*(combinations(range(units), size) for size in sizes))
    return np.array([len(set.intersection(*map(set, way))) for way in ways])


@pytest.mark.parametrize(
    ("units", "sizes"), [(5, (2, 3)), (6, (3, 3, 4)), (4, (2, 2, 3, 1)), (5, (0, 3)), (5, (5, 4)), (6, (4,))]
)
def test_the_chance_of_an_overlap_equals_full_enumeration(units, sizes):
    every = overlaps(sizes, units)
    assert expected_overlap(sizes, units) == pytest.approx(every.mean())
    for observed in range(units + 1):
        assert overlap_tail(sizes, units, observed) == pytest.approx((every >= observed).mean(), abs=1e-12)


def test_the_chance_of_a_difference_equals_full_enumeration():
    a, b = group("a", np.arange(UNITS)), group("b", np.arange(UNITS)[::-1])
    found = difference([a], [b], TopK(3))
    others = np.array([len(set(range(3)) - set(other)) for other in combinations(range(UNITS), 3)])
    assert len(found.units) == 3
    assert found.expected == pytest.approx(others.mean())
    assert found.p_value == pytest.approx((others >= 3).mean())


@pytest.mark.parametrize(("units", "sizes"), [(5, (2, 3)), (4, (2, 2, 3)), (4, (1, 2, 2, 2)), (3, (0, 3, 1))])
def test_the_chance_of_a_support_equals_full_enumeration(units, sizes):
    ways = list(product(*(combinations(range(units), size) for size in sizes)))
    supports = np.array([[sum(unit in one for one in way) for unit in range(units)] for way in ways])
    tails = support_tails(sizes, units)
    for count in range(len(sizes) + 1):
        enough = supports >= count
        np.testing.assert_allclose(tails[count], enough.mean(0), atol=1e-12)
        for observed in range(units + 1):
            bound = support_bound(float(tails[count]), units, observed)
            assert bound >= (enough.sum(1) >= observed).mean() - 1e-12
            assert bound <= 1


def test_the_bound_of_an_impossible_support_is_zero():
    assert support_bound(0.0, 10, 1) == 0
    assert support_bound(0.0, 10, 0) == 1


def test_tails_of_hundreds_of_images_and_thousands_of_units_are_valid():
    sizes = [9] * 400 + [7] * 300
    assert overlap_tail(sizes[:3], 2048, 1) == pytest.approx(2048 * (9 / 2048) ** 3, rel=1e-3)
    tails = support_tails(sizes, 2048)
    assert len(tails) == 701
    assert np.all(np.diff(tails) <= 0)
    assert tails[0] == pytest.approx(1)
