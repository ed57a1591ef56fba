"""Images, layers and classes of an atlas, against brute force."""

import numpy as np
import pytest

from unitscope.analyses.image_groups import group_means, image_group
from unitscope.analyses.sparsity import sparsity
from unitscope.errors import LayerError
from unitscope.web.atlas_cache import AtlasCache

LABELS = ["cat", "dog", "cat,dog", "", "cat", "dog", "bird", "bird"]


@pytest.fixture(scope="module")
def responses():
    """Eight images; one can't be read, some responses are NaN, one unit is always NaN for birds."""
    found = np.random.default_rng(0).normal(0, 1, (8, 5)).astype(np.float32)
    found[4] = np.nan
    found[0, 1] = np.nan
    found[1, 2] = np.inf
    found[6:, 3] = np.nan
    return found


@pytest.fixture
def atlas(make_atlas, responses):
    return make_atlas(responses, layers={"first": 2, "second": 3}, labels=LABELS, shard_size=3)


def brute_force_mean(responses, label, unit):
    values = [
        float(row[unit])
        for row, labels in zip(responses, LABELS, strict=True)
        if label in labels.split(",") and np.isfinite(row[unit])
    ]
    return sum(values) / len(values) if values else np.nan


def test_readable_rows_are_those_without_an_error(atlas):
    assert atlas.readable.tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert atlas.readable.tolist() == [row for row, error in enumerate(atlas.images["error"]) if not error]


def test_units_of_a_layer_are_its_rows_in_the_order_of_the_channels(atlas):
    for layer in atlas.layers:
        table = atlas.units_of(layer)
        assert (table["layer"] == layer.name).all()
        assert table["channel"].tolist() == list(range(layer.units))
    assert atlas.units_of("second").equals(atlas.units_of(atlas.find("second")))
    with pytest.raises(LayerError, match="no layer 'third'"):
        atlas.units_of("third")


def test_class_means_ignore_nan_responses(atlas, responses):
    names = [label.label for label in atlas.manifest.labels]
    assert atlas.class_means.dtype == np.float64
    assert atlas.class_means.shape == (3, 5)
    expected = [[brute_force_mean(responses, name, unit) for unit in range(5)] for name in names]
    np.testing.assert_allclose(atlas.class_means, expected, rtol=1e-14)
    assert np.isnan(atlas.class_means[names.index("bird"), 3])


def test_class_means_are_the_same_in_all_functions(atlas, responses):
    cache = AtlasCache(atlas)
    for number, label in enumerate(atlas.manifest.labels):
        expected, name = atlas.class_means[number], f"class:{label.label}"
        np.testing.assert_array_equal(group_means(atlas, name), expected)
        np.testing.assert_array_equal(cache.means(name), expected)
        for layer in atlas.layers:
            span = atlas.index.span(layer)
            np.testing.assert_allclose(image_group(atlas, name, layer).mean, expected[span], rtol=1e-14)
            np.testing.assert_array_equal(sparsity(atlas, layer, [label.label]).classes[0].means, expected[span])


def test_the_most_selective_class_has_the_greatest_class_mean(atlas):
    names = np.array([label.name for label in atlas.manifest.labels])
    known = atlas.units["selective_class"].notna().to_numpy()
    best = names[np.where(np.isnan(atlas.class_means), -np.inf, atlas.class_means).argmax(0)]
    assert known.any()
    assert atlas.units["selective_class"][known].tolist() == best[known].tolist()


def test_an_atlas_without_labels_has_no_class_means(make_atlas, responses):
    assert make_atlas(responses).class_means.shape == (0, 5)
