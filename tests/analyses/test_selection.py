"""Selections against Python's sets, and selectors against slow implementations written from their definitions."""

import math
from operator import and_, or_, sub

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unitscope import Selection, Threshold, TopK
from unitscope.analyses.image_groups import ImageGroup
from unitscope.analyses.selection import select
from unitscope.errors import LayerError, UnitscopeError
from unitscope.units import Layer

UNITS = 7
LAYER = Layer(3, "relu_2", "activation", UNITS, (UNITS, 4, 4))
OTHER = Layer(5, "relu_3", "activation", UNITS, (UNITS, 4, 4))

quick = settings(max_examples=80, deadline=None)
channels = st.lists(st.integers(0, UNITS - 1), max_size=10)
# Few different values, so that ties are common.
values = st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf]), st.floats(-9, 9, width=32))
vectors = hnp.arrays(np.float32, UNITS, elements=values)


def chosen(units):
    return Selection(LAYER, tuple(units))


def top(responses, n):
    return Selection.of_mask(LAYER, TopK(n).mask(LAYER, responses))


def above(responses, threshold):
    return Selection.of_mask(LAYER, Threshold(threshold).mask(LAYER, responses))


def images_of(listed):
    """A group whose images have response 1 at the units listed for them and 0 elsewhere."""
    responses = np.zeros((len(listed), UNITS), np.float32)
    for row, units in enumerate(listed):
        responses[row, units] = 1
    return ImageGroup("class:cat", LAYER, tuple(map(str, range(len(listed)))), responses)


def slow_top(responses, n):
    """The definition: by response, the greatest first, then by channel; NaN is skipped."""
    numbers = [unit for unit in range(len(responses)) if not math.isnan(responses[unit])]
    return sorted(sorted(numbers, key=lambda unit: (-responses[unit], unit))[:n])


@given(a=channels, b=channels, combine=st.sampled_from([and_, or_, sub]))
@quick
def test_selections_combine_like_sets_and_keep_channels_sorted(a, b, combine):
    found = combine(chosen(a), chosen(b))
    assert found == chosen(combine(set(a), set(b)))
    assert list(found) == sorted(combine(set(a), set(b)))


@given(a=channels, b=channels, c=channels)
@quick
def test_selections_satisfy_set_identities(a, b, c):
    one, two, three = chosen(a), chosen(b), chosen(c)
    assert one & two == two & one
    assert one | two == two | one
    assert (one & two) & three == one & (two & three)
    assert one & (two | three) == (one & two) | (one & three)
    assert one - two == one - (one & two)
    assert not (one - two) & two
    assert (one - two) | (one & two) == one


@given(a=channels)
@quick
def test_a_selection_has_length_iteration_and_membership_like_a_set(a):
    found = chosen(a)
    assert len(found) == len(set(a))
    assert [unit for unit in range(UNITS) if unit in found] == list(found) == list(found.units)
    assert hash(found) == hash(chosen(reversed(a)))


@pytest.mark.parametrize("combine", [and_, or_, sub])
def test_selections_of_different_layers_do_not_combine(combine):
    with pytest.raises(UnitscopeError, match=r"layer 'relu_2' can't be combined with one of layer 'relu_3'"):
        combine(chosen([1]), Selection(OTHER, (1,)))


@pytest.mark.parametrize("unit", [-1, UNITS])
def test_a_selection_holds_only_units_of_its_layer(unit):
    with pytest.raises(LayerError, match=rf"units 0 to 6, so there is no unit {unit}"):
        chosen([2, unit])
    with pytest.raises(LayerError, match=rf"there is no unit {unit}$"):
        chosen([0, unit])


@given(responses=vectors, n=st.integers(1, UNITS))
@quick
def test_the_top_n_equal_the_definition_with_ties_and_nan(responses, n):
    assert list(top(responses, n)) == slow_top(responses, n)


@given(responses=hnp.arrays(np.float32, (4, UNITS), elements=values), n=st.integers(1, UNITS))
@quick
def test_a_mask_of_many_images_equals_the_mask_of_each(responses, n):
    for selector in (TopK(n), Threshold(0.5)):
        each = [selector.mask(LAYER, row) for row in responses]
        np.testing.assert_array_equal(selector.mask(LAYER, responses), each)


def test_ties_go_to_the_lower_channel_and_nan_is_never_chosen():
    assert list(top([1, 2, 2, math.nan, 2, 0, 0], 2)) == [1, 2]
    assert list(top([math.nan] * 6 + [-1], 5)) == [6]
    assert list(above([1, 2, 2, math.nan, 2, 0, 0], 1)) == [1, 2, 4]


@pytest.mark.parametrize("n", [0, -1, UNITS + 1])
def test_requesting_more_units_than_the_layer_has_is_an_error(n):
    with pytest.raises(UnitscopeError, match=rf"top {n} of layer 'relu_2': it has 7 units; give a number from 1 to 7"):
        top(np.zeros(UNITS), n)


def test_responses_of_another_layer_are_refused():
    with pytest.raises(UnitscopeError, match=r"has 7 units, but the responses have the shape \(8,\)"):
        above(np.zeros(8), 0.0)


def test_a_threshold_is_a_number():
    with pytest.raises(UnitscopeError, match="give the threshold as a number"):
        Threshold(math.nan)


@given(listed=st.lists(channels, min_size=1, max_size=6), data=st.data())
@quick
def test_units_are_counted_over_the_images_that_select_them(listed, data):
    count = data.draw(st.integers(1, len(listed)))
    expected = [unit for unit in range(UNITS) if sum(unit in one for one in listed) >= count]
    assert list(select(images_of(listed), Threshold(0.5), images=count)) == expected


@pytest.mark.parametrize("count", [0, 3])
def test_a_minimum_number_of_images_out_of_range_is_refused(count):
    with pytest.raises(UnitscopeError, match=f"at least {count} of 2 images; give a number from 1 to 2"):
        select(images_of([[1], [2]]), Threshold(0.5), images=count)


def test_units_of_a_class_are_selected_by_its_mean_or_by_its_images():
    responses = np.array([[9, 0, 3, 0, 0, 0, 0], [0, 4, 3, 0, 0, 0, 0], [0, 4, 3, 0, 0, 0, 0]], np.float32)
    group = ImageGroup("class:cat", LAYER, ("a", "b", "c"), responses)
    assert list(select(group, TopK(2))) == [0, 2]
    assert list(select(group, TopK(1), images=2)) == [1]
    assert list(select(group, TopK(2), images=3)) == [2]
    assert list(select(group, Threshold(3.5), images=1)) == [0, 1]
    with pytest.raises(UnitscopeError, match="at least 4 of 3 images"):
        select(group, TopK(2), images=4)
