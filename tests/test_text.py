"""Counts with singular and plural nouns."""

import pytest

from unitscope.text import count_noun


@pytest.mark.parametrize(("count", "output"), [(0, "0 units"), (1, "1 unit"), (2, "2 units"), (22720, "22,720 units")])
def test_a_noun_has_an_s_unless_the_count_is_one(count, output):
    assert count_noun(count, "unit") == output
