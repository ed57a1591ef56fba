"""Near-duplicates are found by their responses: planted copies, and no others."""

import numpy as np
import pytest

from unitscope.analyses.near_duplicates import distinct_rows, labelled_groups, near_duplicate_groups

LAYERS = {"first": 40, "second": 50, "third": 60, "small": 8}


def pictures(photographs, copies, *, noise, seed=0):
    """Responses to copies of photographs, which differ a little, ``[image, unit]``; copies follow each other."""
    rng = np.random.default_rng(seed)
    base = np.maximum(rng.normal(0.2, 1, (photographs, sum(LAYERS.values()))), 0).repeat(copies, 0)
    return (base + noise * rng.standard_normal(base.shape)).astype(np.float32)


def test_copies_are_one_group_and_other_images_are_groups_of_their_own(make_atlas):
    responses = np.concatenate([pictures(3, 4, noise=0.1), pictures(20, 1, noise=0.1, seed=1)])
    atlas = make_atlas(responses, layers=LAYERS)
    groups = near_duplicate_groups(atlas, atlas.readable)
    assert groups.tolist() == [*np.arange(3).repeat(4), *range(3, 23)]
    assert distinct_rows(atlas, atlas.readable).tolist() == [0, 4, 8, *range(12, 32)]
    assert distinct_rows(atlas, np.array([1, 2, 3, 9, 20])).tolist() == [1, 9, 20]


def test_images_that_are_alike_in_deep_layers_only_are_distinct(make_atlas):
    responses = pictures(8, 5, noise=0.1)
    responses[:, 40:90] = pictures(40, 1, noise=0.1, seed=2)[:, 40:90]
    atlas = make_atlas(responses, layers=LAYERS, labels=[f"class {row // 5}" for row in range(40)])
    assert len(distinct_rows(atlas, atlas.readable)) == 40


def test_near_duplicates_with_other_labels_are_groups_of_their_own(make_atlas):
    responses = np.concatenate([pictures(1, 4, noise=0.1), pictures(60, 1, noise=0.1, seed=1)])
    labels = ["cat", "dog", "cat", "cat,dog", *["cat", "dog"] * 30]
    atlas = make_atlas(responses, layers=LAYERS, labels=labels)
    assert labelled_groups(atlas, np.arange(4)).tolist() == [0, 1, 0, 2]
    assert distinct_rows(atlas, np.arange(4)).tolist() == [0, 1, 3]


def test_where_unrelated_images_are_alike_near_duplicates_must_be_more_so(make_atlas):
    """As in many untrained networks: one factor, such as brightness, is most of each response."""
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(60, 1)) * 3 + rng.normal(size=(60, 158))
    responses[1] = responses[0] + 0.1 * rng.normal(size=158)
    atlas = make_atlas(responses.astype(np.float32), layers=LAYERS, labels=["cat", "dog"] * 30)
    groups = near_duplicate_groups(atlas, atlas.readable)
    assert groups[0] == groups[1]
    assert len(np.unique(groups)) == 59


@pytest.mark.parametrize("name", ["first", "third"])
def test_where_only_shallow_or_deep_layers_were_scanned_nothing_is_compared(make_atlas, name):
    """At the last layer alone, images of one class would be near-duplicates."""
    layers = {each: 40 if each == name else 8 for each in LAYERS}
    atlas = make_atlas(pictures(3, 4, noise=0.1)[:, : sum(layers.values())], layers=layers)
    assert near_duplicate_groups(atlas, atlas.readable).tolist() == list(range(12))


@pytest.mark.parametrize("layers", [{"small": 31, "other": 31}, LAYERS])
def test_without_large_layers_or_with_too_many_images_nothing_is_compared(make_atlas, monkeypatch, layers):
    monkeypatch.setattr("unitscope.analyses.near_duplicates.MAX_IMAGES", 7)
    atlas = make_atlas(np.tile(np.random.default_rng(0).random(sum(layers.values())), (8, 1)), layers=layers)
    assert near_duplicate_groups(atlas, atlas.readable).tolist() == list(range(8))


def test_equal_images_of_an_atlas_that_is_constant_are_distinct(make_atlas):
    atlas = make_atlas(np.ones((6, 158), np.float32), layers=LAYERS)
    assert near_duplicate_groups(atlas, atlas.readable).tolist() == list(range(6))
