"""Distinctive units against a slow version written from the definition."""

import numpy as np
import pytest

from unitscope.analyses.distinctive_units import distinctive_units


def exemplars_of(responses, ranks=9):
    """The highest responses and their rows, ``[rank, unit]``, and the moments of each unit."""
    rows = np.argsort(-responses, axis=0, kind="stable")[:ranks]
    moments = np.stack([np.full(responses.shape[1], len(responses)), responses.mean(0), responses.std(0)], axis=1)
    return np.take_along_axis(responses, rows, 0), rows, moments


def slow(responses, count, ranks=9):
    ranks = max(1, min(ranks, len(responses) // 4))
    order = [np.argsort(-column, kind="stable")[:ranks] for column in responses.T]
    scores = [
        (column[rows[-1]] - column.mean()) / column.std() if column.std() > 0 else -np.inf
        for rows, column in zip(order, responses.T, strict=True)
    ]
    chosen = []
    for unit in sorted(range(len(scores)), key=lambda unit: (-scores[unit], unit)):
        alike = [len({*order[unit]} & {*order[other]}) / ranks for other in chosen]
        if np.isfinite(scores[unit]) and len(chosen) < count and max(alike, default=0) <= 1 / 3:
            chosen.append(unit)
    return chosen, [scores[unit] for unit in chosen]


@pytest.mark.parametrize("images", [1, 5, 12, 40, 200])
def test_distinctive_units_are_those_of_the_definition(images):
    responses = np.maximum(np.random.default_rng(images).normal(0, 1, (images, 60)), 0)
    responses[:, 7] = 0
    found = distinctive_units(*exemplars_of(responses), count=3)
    channels, scores = slow(responses, 3)
    assert [one.channel for one in found] == channels
    assert [one.z_score for one in found] == pytest.approx(scores)


def test_a_unit_that_always_responds_and_one_with_a_single_extreme_image_come_last():
    rng = np.random.default_rng(0)
    always, selective = 5 + rng.random(100), np.where(np.arange(100) < 9, 1 + rng.random(100), 0)
    single = rng.random(100)
    single[50] = 1000
    found = distinctive_units(*exemplars_of(np.stack([always, single, selective, np.zeros(100)], axis=1)), count=4)
    assert [one.channel for one in found] == [2, 0, 1]


def test_units_with_the_exemplars_of_one_shown_are_left_out():
    one = np.where(np.arange(60) < 9, 1.0, 0.0) + np.linspace(0, 0.1, 60)
    other = one[::-1] + 0.3 * np.random.default_rng(0).random(60)
    found = distinctive_units(*exemplars_of(np.stack([one, one, other], axis=1)), count=3)
    assert [unit.channel for unit in found] == [0, 2]
