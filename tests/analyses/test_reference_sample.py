"""A class placed among images in order, against the test of all its pairs."""

import numpy as np
import pandas as pd
import pytest

from unitscope.analyses import reference_sample as crowd
from unitscope.analyses.inhibition import class_contrast, class_inhibition
from unitscope.analyses.reference_sample import ReferenceSample
from unitscope.errors import UnitscopeError


def responses(images=200):
    """Zeros for half of them, ties, a unit held back for the first class, a dead one, one always alike."""
    random = np.random.default_rng(6)
    found = np.maximum(random.normal(0, 1, (images, 9)), 0).astype(np.float32)
    found[:, 1] = np.round(found[:, 1] * 2)
    found[:, 2] -= 1
    found[: images // 8, 3] *= 0.1
    found[:, 4], found[:, 5] = 0, 3
    found[10] = np.nan
    return found


def labels(images=200):
    return ["cat"] * (images // 8) + ["dog,cat"] * 3 + ["dog"] * (images - images // 8 - 3)


@pytest.mark.parametrize("name", ["cat", "dog"])
def test_a_class_among_all_images_is_what_class_inhibition_finds(make_atlas, name):
    atlas = make_atlas(responses(), labels=labels())
    expected = class_inhibition(atlas, "relu", name)
    found = ReferenceSample.of(atlas, atlas.find("relu")).inhibition(name)
    assert (found.images, found.others, found.concept) == (expected.images, expected.others, expected.concept)
    by_unit = [table.units.sort_values("unit", ignore_index=True) for table in (found, expected)]
    pd.testing.assert_frame_equal(*by_unit, check_dtype=False, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["cat", "dog"])
def test_a_class_among_some_images_is_compared_with_those_that_are_not_its_own(make_atlas, monkeypatch, name):
    monkeypatch.setattr(crowd, "MOST", 90)
    given = responses()
    atlas = make_atlas(given, labels=labels())
    among = ReferenceSample.of(atlas, atlas.find("relu"))
    rows = [row for row, each in enumerate(labels()) if name in each.split(",") and row != 10]
    others = np.setdiff1d(among.rows, rows)
    assert len(among.rows) == 90
    assert 0 < len(others) < 90
    expected = class_contrast(given[rows].astype(float), given[others].astype(float))
    found = among.inhibition(name)
    assert found.others == len(others)
    pd.testing.assert_frame_equal(found.units, expected, check_dtype=False, rtol=1e-6, atol=1e-12)


def test_too_few_images_are_refused(make_atlas):
    atlas = make_atlas(responses(), labels=["cat"] * 3 + ["dog"] * 197)
    among = ReferenceSample.of(atlas, atlas.find("relu"))
    with pytest.raises(UnitscopeError, match="at least 5 images of class 'cat'; here are 3"):
        among.inhibition("cat")
    with pytest.raises(UnitscopeError, match="at least 5 images that are not of class 'dog'; here are 3"):
        among.inhibition("dog")
