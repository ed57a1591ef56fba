"""How often units are selected, in atlases with the layout that scans write."""

import numpy as np
import pytest

from unitscope import Threshold, TopK, base_rate, intersection
from unitscope.analyses.image_groups import image_group
from unitscope.errors import AtlasError

LAYERS = {"relu": 4, "relu_1": 6}


def planted(images):
    """Unit 3 of the second layer is always greatest, unit 0 is above 5 in every third image, the rest is noise."""
    responses = np.random.default_rng(0).random((images, 10), np.float32)
    responses[:, 4 + 3] += 100
    responses[::3, 4] += 5
    return responses


@pytest.mark.parametrize("selector", [TopK(2), Threshold(0.7)])
def test_a_small_atlas_is_read_whole(make_atlas, selector):
    responses = planted(100)
    responses[7] = np.nan
    atlas = make_atlas(responses, layers=LAYERS, shard_size=16)
    found = base_rate(atlas, "relu_1", selector)
    good = np.delete(responses[:, 4:], 7, 0)
    slow = [set(np.argsort(-row)[:2]) if selector == TopK(2) else set(np.flatnonzero(row > 0.7)) for row in good]
    np.testing.assert_allclose(found.share, [np.mean([unit in one for one in slow]) for unit in range(6)])
    assert found.images == 99


@pytest.mark.parametrize("shard_size", [16, 100, 512, 4000])
def test_a_large_atlas_is_sampled_evenly(make_atlas, shard_size):
    responses = planted(3000)
    responses[:1500, 4 + 1] += 50  # half of the atlas, as folders in order are
    found = base_rate(make_atlas(responses, layers=LAYERS, shard_size=shard_size), "act:2", Threshold(5.0))
    assert 900 <= found.images <= 1024
    np.testing.assert_allclose(found.share, [1 / 3, 0.5, 0, 1, 0, 0], atol=0.06)


def test_a_rule_reports_how_common_its_units_are(make_atlas):
    atlas = make_atlas(planted(60), layers=LAYERS, shard_size=16)
    selector = TopK(1)
    given = [image_group(atlas, name, "relu_1") for name in ("00001.png", "00002.png")]
    found = intersection(given, selector, base=base_rate(atlas, "relu_1", selector))
    assert found.units.tolist() == [3]
    assert found.base_rate.tolist() == [1]
    assert found.note == "1 of the units is selected in at least half of all images, whatever these show"
    assert found.base_images == 60


def test_an_atlas_without_a_readable_image_has_no_rates(make_atlas):
    atlas = make_atlas(np.full((5, 10), np.nan, np.float32), layers=LAYERS, shard_size=4)
    with pytest.raises(AtlasError, match=r"none of the images of atlas .* could be read"):
        base_rate(atlas, "relu", TopK(1))
