"""Agreement between halves of the images: known preferences, none, and a slow version."""

import numpy as np
import pytest
from scipy import stats

from unitscope.analyses.shuffled_labels import LabelledGroups
from unitscope.analyses.split_half import split_half
from unitscope.analyses.unit_responses import unit_responses

from .test_near_duplicates import LAYERS, pictures

CLASSES = 5


def atlas_of(make_atlas, responses):
    return make_atlas(responses, labels=[f"class {row % CLASSES}" for row in range(len(responses))])


def agreement(atlas, unit):
    groups = LabelledGroups.of(atlas)
    return split_half(atlas.responses("relu", groups.rows)[:, unit], groups)


def slow(responses, labels):
    """The definition, image by image."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(20):
        order = rng.permutation(len(labels))
        halves = [np.sort(order[: len(labels) // 2]), np.sort(order[len(labels) // 2 :])]
        means = [[responses[[n for n in half if labels[n] == one]].mean() for one in range(CLASSES)] for half in halves]
        top = [sorted(half, key=lambda n: -responses[n])[:9] for half in halves]
        drawn = [rng.choice(half, 9, replace=False) for half in halves]
        shares = [np.mean([labels[a] == labels[b] for a in pair[0] for b in pair[1]]) for pair in (top, drawn)]
        rows.append([stats.spearmanr(*means).statistic, np.argmax(means[0]) == np.argmax(means[1]), *shares])
    return np.mean(np.array(rows, float), 0)


def test_the_agreement_is_as_defined(make_atlas):
    responses = np.random.default_rng(1).random((60, 3)).astype(np.float32)
    responses[:, 1] += np.arange(60) % CLASSES / 5
    atlas = atlas_of(make_atlas, responses)
    for unit in range(3):
        found = agreement(atlas, unit)
        expected = slow(responses[:, unit].astype(float), np.arange(60) % CLASSES)
        np.testing.assert_allclose(
            [found.class_means, found.same_class, found.exemplars, found.random_images], expected, rtol=1e-6
        )
        assert found.classes == CLASSES


def test_a_unit_with_a_preference_agrees_and_noise_does_not(make_atlas):
    responses = np.random.default_rng(2).random((200, 12)).astype(np.float32)
    responses[:, 0] += np.arange(200) % CLASSES
    atlas = atlas_of(make_atlas, responses)
    sure = agreement(atlas, 0)
    assert (sure.class_means, sure.same_class, sure.exemplars) == pytest.approx((1, 1, 1))
    assert sure.random_images == pytest.approx(0.2, abs=0.05)
    noise = [agreement(atlas, unit) for unit in range(1, 12)]
    assert abs(np.mean([each.class_means for each in noise])) < 0.25
    assert np.mean([each.same_class for each in noise]) < 0.45
    assert np.mean([each.exemplars for each in noise]) == pytest.approx(0.2, abs=0.05)


def test_near_duplicates_are_never_in_both_halves(make_atlas):
    """One photograph a class: nothing can be told, however well its crops agree."""
    atlas = make_atlas(pictures(8, 6, noise=0.05), layers=LAYERS, labels=[f"class {row // 6}" for row in range(48)])
    found = unit_responses(atlas, "second:3").split_half
    assert (found.classes, found.same_class, found.exemplars) == (0, None, None)
    assert "can't be told" in found.note


def test_missing_responses_and_labels_are_left_out(make_atlas):
    responses = np.random.default_rng(3).random((40, 2)).astype(np.float32)
    responses[5:15, 0], responses[7] = np.nan, np.nan
    atlas = make_atlas(responses, labels=["a", "b", "", "a,b"] * 10)
    assert agreement(atlas, 0).same_class is not None
    assert unit_responses(make_atlas(responses), "relu:0").split_half is None


def test_two_classes_have_no_correlation(make_atlas):
    atlas = make_atlas(np.random.default_rng(4).random((20, 1)), labels=["a", "b"] * 10)
    found = unit_responses(atlas, "relu:0")
    assert found.split_half.class_means is None
    assert "of random images" in list(found.tables())[1]
