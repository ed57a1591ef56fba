"""The lab's values: what addresses remove, and how many images it shows."""

import numpy as np
import pytest

from unitscope.errors import LayerError, UnitscopeError
from unitscope.web.atlas_cache import AtlasCache
from unitscope.web.measurements import Measurements
from unitscope.web.pages.lab import MAX_IMAGES, lab_page, removals, units_by_layer


@pytest.fixture
def cache(make_atlas):
    return AtlasCache(make_atlas(np.random.default_rng(0).random((6, 7)), layers={"first": 3, "second": 4}))


def test_an_address_removes_a_unit_or_a_whole_layer(cache):
    found = removals(cache, ["second:1", "first", "second:3", "second:1"])
    assert [str(one) for one in found] == ["second:1", "first", "second:3"]
    assert units_by_layer(found) == {"second": [1, 3], "first": [0, 1, 2]}
    assert units_by_layer(removals(cache, ["second:1", "second"])) == {"second": [0, 1, 2, 3]}
    assert units_by_layer(()) == {}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("third", "no layer 'third'"),
        ("third:1", "no layer 'third'"),
        ("second:4", "there is no unit 4"),
        ("second:x", "is not a unit; write LAYER:UNIT"),
        ("act:9", "no layer 'act:9'"),
        ("", "no layer ''"),
    ],
)
def test_an_address_of_nothing_is_refused(cache, address, message):
    with pytest.raises(LayerError, match=message):
        removals(cache, ["first:1", address])


def test_the_number_of_images_is_bounded(cache):
    images = cache.ids[:MAX_IMAGES]
    page = lab_page(cache, images, results=Measurements(), missing="")
    assert [one.image for one in page.images] == images
    with pytest.raises(UnitscopeError, match="at most 4 images, not 5"):
        lab_page(cache, cache.ids[: MAX_IMAGES + 1], results=Measurements(), missing="")
