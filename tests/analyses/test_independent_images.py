"""Rules have no p-values where their images are near-duplicates."""

import numpy as np
import pytest

from unitscope.analyses.image_groups import image_group
from unitscope.analyses.independent_images import check_independence
from unitscope.analyses.layer_overlap import layer_overlap
from unitscope.analyses.selection import TopK
from unitscope.analyses.unit_rules import difference, intersection, top_units

from .test_near_duplicates import LAYERS, pictures


@pytest.fixture
def atlas(make_atlas):
    """Crops of one photograph (``crop``), of another (``again``, with one of the first), and distinct images."""
    rows = [0, 0, 0, 1, 1, 0, *range(2, 40)]
    labels = ["crop"] * 3 + ["again"] * 3 + ["cat", "dog"] * 19
    noise = 0.05 * np.random.default_rng(1).standard_normal((len(rows), sum(LAYERS.values())))
    return make_atlas(pictures(40, 1, noise=0)[rows] + noise, layers=LAYERS, labels=labels)


def groups(atlas, *names):
    return [image_group(atlas, name, "second") for name in names]


def checked(atlas, rule):
    return check_independence(atlas, rule)


def test_distinct_images_keep_their_p_values(atlas):
    for rule in (
        intersection(groups(atlas, "class:cat", "class:dog"), TopK(9)),
        intersection(groups(atlas, "class:cat"), TopK(9), at_least=4),
        intersection(groups(atlas, "00006.png", "class:dog"), TopK(9)),
        difference(groups(atlas, "class:cat"), groups(atlas, "class:dog"), TopK(9)),
    ):
        found = checked(atlas, rule)
        assert (found.p_value, found.near_duplicates, found.note) == (rule.p_value, 0, "")
        np.testing.assert_array_equal(found.support_p, rule.support_p)


def test_crops_of_one_photograph_have_no_p_value(atlas):
    found = checked(atlas, intersection(groups(atlas, "class:crop"), TopK(9), at_least=3))
    assert (found.p_value, found.near_duplicates) == (None, 2)
    assert np.isnan(found.support_p).all()
    assert found.expected is not None
    assert "no p-value, since images are near-duplicates" in next(iter(found.tables()))


def test_classes_compared_by_their_means_need_no_distinct_images_within_each(atlas):
    rule = intersection(groups(atlas, "class:crop", "class:cat"), TopK(9))
    found = checked(atlas, rule)
    assert found.p_value == rule.p_value is not None
    assert np.isnan(found.support_p).all()
    assert found.note == "no p-value of the counts, since 2 of the 22 images are near-duplicates"


def test_near_duplicates_in_two_classes_have_no_p_value(atlas):
    for rule in (
        intersection(groups(atlas, "class:crop", "class:again"), TopK(9)),
        intersection(groups(atlas, "00000.png", "00002.png"), TopK(9)),
        difference(groups(atlas, "class:crop"), groups(atlas, "class:again"), TopK(9)),
    ):
        assert rule.p_value is not None
        assert checked(atlas, rule).p_value is None
    assert layer_overlap(atlas, ["class:crop", "class:again"]).table["p_value"].isna().all()
    assert layer_overlap(atlas, ["class:cat", "class:dog"]).table["p_value"].notna().all()


def test_the_rule_of_the_maximum_has_none_in_any_case(atlas):
    found = checked(atlas, top_units(groups(atlas, "class:cat")[0], TopK(9)))
    assert (found.p_value, found.note) == (None, "")
