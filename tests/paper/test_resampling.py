"""Means over pairs in draws of images, against images repeated by hand."""

from itertools import permutations

import numpy as np
import pytest

from unitscope.paper.resampling import ImageDraws, interval_of


def test_means_of_draws_are_those_of_repeated_images():
    random = np.random.default_rng(0)
    values = random.random((7, 7))
    values, pairs = values + values.T, random.random((7, 7)) < 0.6
    pairs = (pairs | pairs.T) & ~np.eye(7, dtype=bool)
    values[1, 2] = values[2, 1] = np.nan
    draws = ImageDraws.of(np.array([0, 0, 0, 1, 1, 1, 1]), draws=5)
    found = draws.means(values, pairs)
    for counts, mean in zip(draws.counts, found, strict=True):
        images = np.repeat(np.arange(7), counts.astype(int))
        chosen = [values[a, b] for a, b in permutations(images, 2) if pairs[a, b] and np.isfinite(values[a, b])]
        assert mean == pytest.approx(np.mean(chosen))


def test_the_first_row_has_each_image_once_and_groups_keep_their_size():
    groups = np.array(["cat", "dog", "cat", "dog", "dog"])
    counts = ImageDraws.of(groups, draws=50).counts
    assert (counts[0] == 1).all()
    assert (counts[:, groups == "cat"].sum(1) == 2).all()
    assert (counts[:, groups == "dog"].sum(1) == 3).all()
    assert len(np.unique(counts, axis=0)) > 10


def test_an_interval_is_unknown_if_a_draw_has_no_pair():
    assert np.isnan(interval_of(np.array([1.0, 2.0, np.nan]), 9).low)
    found = interval_of(np.array([1.0, *np.arange(1001.0)]), 9)
    assert (found.value, found.low, found.high, found.images) == (1.0, 25.0, 975.0, 9)
