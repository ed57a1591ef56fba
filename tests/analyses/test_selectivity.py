"""Units selective for a class: brute force, and shuffled labels as the null hypothesis."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import without_checksums
from unitscope.analyses.selectivity import selective_units, significant_selectivity
from unitscope.analyses.shuffled_labels import LabelledGroups, shuffled_selectivity
from unitscope.atlas import open_atlas
from unitscope.errors import UnitscopeError

from .test_near_duplicates import LAYERS, pictures

CLASSES = 6


def labels_of(images):
    return [f"class {row % CLASSES}" for row in range(images)]


def index_of(responses, numbers):
    """The index of each unit, by its definition; ``numbers`` are the classes of the images."""
    means = np.stack([responses[numbers == number].mean(0, dtype=float) for number in np.unique(numbers)])
    greatest = means.max(0)
    rest = (means.sum(0) - greatest) / (len(means) - 1)
    floor = np.minimum(responses.min(0), 0)
    return (greatest - rest) / (greatest + rest - 2 * floor)


def noise(images, units, *, seed=0, signed=False):
    """Responses that do not depend on the labels; half of the units are sparse."""
    values = np.random.default_rng(seed).normal(0.3, 1, (images, units))
    values[:, ::2] -= 1
    return (values if signed else np.maximum(values, 0)).astype(np.float32)


@pytest.mark.parametrize("signed", [False, True])
def test_the_level_is_the_greatest_index_of_19_shuffles(make_atlas, signed):
    responses = noise(60, 20, signed=signed)
    atlas = make_atlas(responses, labels=labels_of(60))
    rng, numbers = np.random.default_rng(0), np.arange(60) % CLASSES
    expected = np.max([index_of(responses, numbers[rng.permutation(60)]) for _ in range(19)], 0)
    layer = atlas.find("relu")
    np.testing.assert_allclose(shuffled_selectivity(atlas, layer), expected, rtol=1e-6)
    np.testing.assert_array_equal(
        shuffled_selectivity(atlas, layer, np.array([3, 17])), shuffled_selectivity(atlas, layer)[[3, 17]]
    )
    np.testing.assert_allclose(atlas.units["selectivity"], index_of(responses, numbers), rtol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_labels_without_meaning_exceed_their_level_in_1_of_20_units(make_atlas, signed):
    """The null distribution: of 1,200 units without preference about 60 exceed the level (standard deviation 8)."""
    atlas = make_atlas(noise(48, 1200, seed=5, signed=signed), labels=labels_of(48))
    above = atlas.units["selectivity"] > shuffled_selectivity(atlas, atlas.find("relu"))
    assert 30 < above.sum() < 90


def test_a_unit_with_a_preference_is_found_and_the_others_of_its_class_are_not(make_atlas):
    responses = noise(60, 200)
    responses[1::CLASSES, 7] += 3
    found = selective_units(make_atlas(responses, labels=labels_of(60)), "relu", "class 1")
    assert (found.images, found.distinct_images) == (10, 10)
    assert found.found["unit"].iloc[0] == 7
    assert len(found.found) < 0.3 * len(found.units)
    row = found.units.set_index("unit").loc[7]
    assert row["selectivity"] > row["shuffled"]
    assert row["d_prime"] > 2
    assert f"{len(found.found)} of them with a higher index" in found.note


def test_no_unit_is_selective_for_crops_of_one_photograph(make_atlas):
    photographs = np.concatenate([pictures(CLASSES, 13, noise=0.1), pictures(40, 1, noise=0.1, seed=3)])
    labels = [*np.repeat([f"class {number}" for number in range(CLASSES)], 13), *["others"] * 40]
    atlas = make_atlas(photographs, layers=LAYERS, labels=list(map(str, labels)))
    found = selective_units(atlas, "second", "class 1")
    assert (found.images, found.distinct_images) == (13, 1)
    assert len(found.units) > 0
    assert found.found.empty
    assert found.note.startswith("the 13 images of 'class 1' are near-duplicates of 1, of at least 5")
    shown = significant_selectivity(atlas, atlas.find("second"), LabelledGroups.of(atlas))
    assert set(shown["selective_class"].dropna()) <= {"others"}


def test_near_duplicates_keep_equal_labels_when_labels_are_shuffled(make_atlas):
    """With one photograph a class, any labels give the same index."""
    atlas = make_atlas(pictures(8, 6, noise=0), layers=LAYERS, labels=[f"class {row // 6}" for row in range(48)])
    layer = atlas.find("second")
    level = shuffled_selectivity(atlas, layer)
    np.testing.assert_allclose(level, atlas.units_of(layer)["selectivity"], rtol=1e-6)
    assert not (atlas.units_of(layer)["selectivity"] > level).any()


def test_a_class_of_few_images_is_not_told(make_atlas):
    atlas = make_atlas(noise(40, 30), labels=["cat"] * 4 + ["dog"] * 36)
    found = selective_units(atlas, "relu", "cat")
    assert found.found.empty
    assert found.note == "'cat' has 4 images of at least 5, so no unit can be called selective"
    shown = significant_selectivity(atlas, atlas.find("relu"), LabelledGroups.of(atlas))
    assert set(shown["selective_class"].dropna()) <= {"dog"}


def test_one_image_a_class_tells_nothing(make_atlas):
    atlas = make_atlas(noise(6, 4), labels=labels_of(6))
    assert atlas.units[["selective_class", "selectivity", "d_prime"]].isna().all(axis=None)
    with pytest.raises(UnitscopeError, match="has one image a class: any labels would give the same index"):
        selective_units(atlas, "relu", "class 1")


def test_nan_responses_are_left_out_of_the_level(make_atlas):
    responses = noise(60, 6)
    responses[5], responses[7, 2], responses[8, 3] = np.nan, np.nan, np.inf
    atlas = make_atlas(responses, labels=labels_of(60))
    assert np.isfinite(shuffled_selectivity(atlas, atlas.find("relu"))).all()


def test_an_atlas_with_the_index_without_bounds_is_read_with_the_bounded_one(make_atlas):
    atlas = make_atlas(noise(60, 20, signed=True), labels=labels_of(60))
    before = atlas.units
    path = atlas.path / "units.parquet"
    old = before.drop(columns="d_prime").assign(selectivity=57241.0, selective_class="class 0")
    old.to_parquet(path, index=False)
    without_checksums(atlas.path)
    pd.testing.assert_frame_equal(open_atlas(atlas.path).units, before)


@pytest.mark.parametrize(("column", "value"), [("selectivity", 1.5), ("selectivity", "high"), ("d_prime", "wide")])
def test_a_table_with_other_values_of_selectivity_is_damaged(make_atlas, column, value):
    atlas = make_atlas(noise(60, 4), labels=labels_of(60))
    atlas.units.assign(**{column: value}).to_parquet(atlas.path / "units.parquet", index=False)
    without_checksums(atlas.path)
    with pytest.raises(UnitscopeError, match=rf"units.parquet.*'{column}' has"):
        _ = open_atlas(atlas.path).units
