"""Summaries against slow implementations written from their definitions, and invariance to sharding."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unitscope.summaries import ClassSums, Extremes, Moments, ShardClassSums, Summary
from unitscope.summaries.peaks import Peaks

UNITS = 3
quick = settings(max_examples=60, deadline=None)
# Few different values, so that ties are common; NaN is a missing one.
values = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, float("nan")]),
    st.floats(-1000, 1000, width=32),
)
ks = st.integers(1, 5)


@st.composite
def shards(draw, count):
    """Responses of some images in shards, with distinct image ids."""
    sizes = [draw(st.integers(0, 6)) for _ in range(count)]
    ids = np.array(draw(st.permutations(range(100, 100 + sum(sizes)))), np.int64)
    rows = draw(hnp.arrays(np.float32, (sum(sizes), UNITS), elements=values))
    cuts = np.cumsum(sizes)[:-1]
    return list(zip(np.split(rows, cuts), np.split(ids, cuts), strict=True))


def joined(parts):
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([ids for _, ids in parts])


def slow_extremes(rows, ids, k, sign):
    """The definition: by value, most extreme first, then by image id; NaN is skipped."""
    found = np.full((k, UNITS), np.nan, np.float32), np.full((k, UNITS), -1)
    for unit in range(UNITS):
        column = [(-sign * float(v), int(i), v) for v, i in zip(rows[:, unit], ids, strict=True) if not math.isnan(v)]
        for rank, (_, image, value) in enumerate(sorted(column, key=lambda item: item[:2])[:k]):
            found[0][rank, unit], found[1][rank, unit] = value, image
    return found


def slow_moments(column):
    present = [float(value) for value in column if not math.isnan(value)]
    count = len(present)
    mean = math.fsum(present) / count if count else 0.0
    return {
        "count": count,
        "mean": mean,
        "m2": math.fsum((value - mean) ** 2 for value in present),
        "min": min(present, default=math.inf),
        "max": max(present, default=-math.inf),
        "zeros": sum(value == 0 for value in present),
    }


def assert_same(given_arrays, wanted, exact=False):
    """Counts, ranges and extremes are equal; means and spreads are close, relative to the range of values."""
    assert given_arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        if name in ("mean", "m2", "class_sums") and not exact:
            scale = np.maximum(np.abs(array).max(initial=0), 1e6 if name == "m2" else 1e3)
            np.testing.assert_allclose(given_arrays[name], array, rtol=1e-12, atol=1e-12 * scale, err_msg=name)
        else:
            np.testing.assert_array_equal(given_arrays[name], array, err_msg=name)


@quick
@given(shards(1), ks)
def test_extremes_equal_the_definition(parts, k):
    rows, ids = joined(parts)
    arrays = Extremes.of(rows, ids, k=k).to_arrays()
    for side, sign in (("top", 1), ("bottom", -1)):
        wanted_values, wanted_images = slow_extremes(rows, ids, k, sign)
        np.testing.assert_array_equal(arrays[f"{side}_values"], wanted_values)
        np.testing.assert_array_equal(arrays[f"{side}_images"], wanted_images)


@quick
@given(shards(1))
def test_moments_equal_the_definition(parts):
    rows, _ = joined(parts)
    wanted = [slow_moments(rows[:, unit]) for unit in range(UNITS)]
    assert_same(Moments.of(rows).to_arrays(), {name: np.array([w[name] for w in wanted]) for name in wanted[0]})


@quick
@given(shards(1), ks)
def test_merging_with_an_empty_summary_changes_nothing(parts, k):
    (rows, ids), nothing = parts[0], Summary.empty(UNITS, k=k)
    summary = Summary.of(rows, ids, k=k)
    for merged in (nothing.merge(summary), summary.merge(nothing)):
        assert_same(merged.to_arrays(), summary.to_arrays(), exact=True)


@quick
@given(shards(3), ks)
def test_merging_is_associative(parts, k):
    a, b, c = (Summary.of(rows, ids, k=k) for rows, ids in parts)
    assert_same(a.merge(b).merge(c).to_arrays(), a.merge(b.merge(c)).to_arrays())


@quick
@given(shards(2), ks)
def test_merging_is_commutative(parts, k):
    a, b = (Summary.of(rows, ids, k=k) for rows, ids in parts)
    assert_same(a.merge(b).to_arrays(), b.merge(a).to_arrays())


@quick
@given(shards(5), ks, st.randoms(use_true_random=False))
def test_any_sharding_in_any_order_equals_one_pass(parts, k, random):
    rows, ids = joined(parts)
    random.shuffle(parts)
    total = Summary.empty(UNITS, k=k)
    for some, numbers in parts:
        total = total.merge(Summary.of(some, numbers, k=k))
    assert_same(total.to_arrays(), Summary.of(rows, ids, k=k).to_arrays())


@quick
@given(shards(2), ks)
def test_a_summary_round_trips_through_arrays(parts, k):
    a, b = (Summary.of(rows, ids, k=k) for rows, ids in parts)
    again = Summary.from_arrays(a.to_arrays())
    assert_same(again.to_arrays(), a.to_arrays(), exact=True)
    np.testing.assert_array_equal(again.extremes.top, a.extremes.top)
    np.testing.assert_array_equal(again.extremes.bottom, a.extremes.bottom)
    assert_same(again.merge(b).to_arrays(), a.merge(b).to_arrays(), exact=True)


def column(*numbers):
    return np.array(numbers, np.float32)[:, None]


def top(extremes, side="top"):
    arrays = extremes.to_arrays()
    return arrays[f"{side}_values"][:, 0].tolist(), arrays[f"{side}_images"][:, 0].tolist()


def test_ties_break_by_image_id_at_both_ends():
    extremes = Extremes.of(column(2, 2, 2, 2), np.array([9, 3, 7, 5]), k=3)
    assert top(extremes) == ([2, 2, 2], [3, 5, 7])
    assert top(extremes, "bottom") == ([2, 2, 2], [3, 5, 7])


def test_minus_zero_ties_with_zero():
    extremes = Extremes.of(column(0.0, -0.0, 0.0), np.array([2, 1, 3]), k=3)
    assert top(extremes) == ([0, 0, 0], [1, 2, 3])
    assert top(extremes, "bottom") == ([0, 0, 0], [1, 2, 3])
    assert Moments.of(column(0.0, -0.0, 1.0)).zeros.tolist() == [2]


def test_negative_values_are_sorted():
    extremes = Extremes.of(column(-1, -3, -2, -1e-30), np.arange(4), k=4)
    assert top(extremes)[1] == [3, 0, 2, 1]
    assert top(extremes, "bottom")[1] == [1, 2, 0, 3]


def test_ranks_beyond_the_number_of_images_are_nan_without_an_image():
    values_, images = top(Extremes.of(column(1, np.nan), np.array([4, 5]), k=3))
    assert values_[0] == 1
    assert np.isnan(values_[1:]).all()
    assert images == [4, -1, -1]


def test_image_ids_keep_32_bits():
    last = 2**32 - 2
    assert top(Extremes.of(column(1, 1, -1), np.array([last, 0, 2**31]), k=3))[1] == [0, last, 2**31]


def test_a_small_spread_far_from_zero_is_not_lost():
    rows = column(*(10000 + np.arange(1000) % 2))
    total = Moments.empty(1)
    for part in np.array_split(rows, 13):
        total = total.merge(Moments.of(part))
    np.testing.assert_allclose(total.mean, 10000.5, rtol=1e-12)
    np.testing.assert_allclose(total.std, 0.5, rtol=1e-9)


def test_summarising_in_blocks_does_not_change_the_result():
    rows = np.random.default_rng(0).normal(size=(4, 9000)).astype(np.float32)
    ids = np.arange(4)
    whole = Summary.of(rows, ids, k=2).to_arrays()
    assert_same(whole, Moments.of(rows).to_arrays() | Extremes.of(rows, ids, k=2).to_arrays(), exact=True)


@quick
@given(shards(4), st.data())
def test_class_sums_equal_the_definition_for_any_sharding(parts, data):
    classes = 4
    rows, _ = joined(parts)
    some = st.lists(st.integers(0, classes - 1), max_size=3, unique=True)
    members = [data.draw(some) for _ in rows]
    total, start = ClassSums.empty(UNITS, classes=classes), 0
    for part, _ in parts:
        total.add(ShardClassSums.of(part, members[start : start + len(part)]))
        start += len(part)
    sums, counts = np.zeros((classes, UNITS)), np.zeros((classes, UNITS), np.int64)
    for number in range(classes):
        for unit in range(UNITS):
            mine = [float(row[unit]) for row, own in zip(rows, members, strict=True) if number in own]
            present = [value for value in mine if not math.isnan(value)]
            sums[number, unit], counts[number, unit] = math.fsum(present), len(present)
    assert_same(total.to_arrays(), {"class_sums": sums, "class_counts": counts})
    assert_same(ClassSums.of(rows, members, classes=classes).to_arrays(), total.to_arrays())
    again = ClassSums.from_arrays(total.to_arrays())
    assert_same(again.to_arrays(), total.to_arrays(), exact=True)


def test_the_mean_of_a_class_of_one_response_is_it_and_of_none_is_nan():
    sums = ClassSums.of(column(3, np.nan, 5), [[0], [1], []], classes=3)
    np.testing.assert_array_equal(sums.means, [[3], [np.nan], [np.nan]])
    nothing = ShardClassSums.empty(2)
    assert [array.shape for array in (nothing.numbers, nothing.sums, nothing.counts)] == [(0,), (0, 2), (0, 2)]


def test_class_sums_need_the_classes_of_every_image():
    with pytest.raises(ValueError, match="zip"):
        ClassSums.of(column(1, 2), [[0]], classes=1)


def test_adding_to_class_sums_in_place_equals_summing_at_once():
    first, second = column(1, 2), column(4, np.nan)
    sums = ClassSums.of(first, [[0], [1]], classes=2)
    sums.add(ShardClassSums.of(second, [[0, 1], [1]]))
    together = ClassSums.of(np.concatenate([first, second]), [[0], [1], [0, 1], [1]], classes=2)
    assert_same(sums.to_arrays(), together.to_arrays(), exact=True)
    assert sums.sums[:, 0].tolist() == [5, 6]
    assert sums.counts[:, 0].tolist() == [2, 2]


def slow_peaks(rows, places, ids, k):
    """The definition: by value, greatest first, then by image id; NaN is skipped."""
    found = np.full((k, UNITS), np.nan, np.float32), np.full((k, UNITS), -1), np.full((k, UNITS), -1)
    for unit in range(UNITS):
        listed = [(-v, i, p) for v, i, p in zip(rows[:, unit], ids, places[:, unit], strict=True) if not np.isnan(v)]
        for rank, (value, image, place) in enumerate(sorted(listed)[:k]):
            found[0][rank, unit], found[1][rank, unit], found[2][rank, unit] = -value, image, place
    return found


@quick
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), ks, st.data())
def test_peaks_equal_their_definition_however_the_images_are_split(sizes, k, data):
    count = sum(sizes)
    rows = data.draw(hnp.arrays(np.float32, (count, UNITS), elements=values))
    places = data.draw(hnp.arrays(np.int32, (count, UNITS), elements=st.integers(0, 9)))
    ids = np.arange(100, 100 + count)
    merged = Peaks.empty(UNITS, k=k)
    for part in np.split(np.arange(count), np.cumsum(sizes)[:-1]):
        if len(part):
            shard = Peaks.of(rows[part], places[part], ids[part], k=k)
            merged = merged.merge(Peaks.from_arrays(shard.to_arrays()))
    arrays = merged.to_arrays()
    for name, wanted in zip(("values", "images", "places"), slow_peaks(rows, places, ids, k), strict=True):
        np.testing.assert_array_equal(arrays[f"peak_{name}"], wanted)
