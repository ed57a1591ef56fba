"""Counts and changes, against plain loops."""

import numpy as np
import pytest

from unitscope.analyses.ablation import Ablation, Outcome
from unitscope.analyses.ablation_counts import Removed, Score, Truth

RIGHT = [[0], [1], [], [2, 3], [0], [4], [1]]
BEFORE = np.array([[0, 1], [0, 1], [3, 0], [3, 1], [2, 1], [4, 0], [1, 2]], np.int32)
AFTER = np.array([[1, 0], [1, 0], [2, 0], [3, 1], [0, 1], [0, 4], [1, 2]], np.int32)


def outcome(after=AFTER, right=RIGHT):
    return Outcome(Removed("relu", "image", "low", 2, 6), after, BEFORE[: len(after)], Truth.of(right))


def test_right_answers_are_counted_among_labelled_images_only():
    top1 = sum(bool(right) and answers[0] in right for right, answers in zip(RIGHT, BEFORE, strict=True))
    top5 = sum(bool(set(right) & set(answers)) for right, answers in zip(RIGHT, BEFORE.tolist(), strict=True))
    assert Score.of(BEFORE, Truth.of(RIGHT)) == Score(6, top1, top5) == Score(6, 4, 5)


def test_what_turned_right_and_wrong_is_told_apart_from_what_changed():
    found = outcome()
    assert found.gained.tolist() == [False, True, False, False, True, False, False]
    assert found.lost.tolist() == [True, False, False, False, False, True, False]
    assert (found.changed, found.agreement) == (5, pytest.approx(2 / 7))
    assert found.p_value == 1.0


def test_classes_that_gain_and_lose_are_listed_most_lost_first():
    found = outcome()
    ablation = Ablation("net", 7, Score.of(BEFORE, found.truth), BEFORE, (found,), ("zero", "one"))
    table = ablation.class_changes(found)
    assert table["name"].tolist() == ["4", "one"]
    assert table[["images", "before", "after", "change"]].to_numpy().tolist() == [[1, 1, 0, -1], [2, 1, 2, 1]]


def test_without_labels_accuracy_is_none_and_agreement_remains():
    values = outcome(right=[[]] * 7).to_dict()
    assert values["top1"] is None
    assert values["top1_correct"] is None
    assert values["p_value"] is None
    assert values["agreement"] == pytest.approx(2 / 7)
    low, high = values["agreement_interval"]
    assert 0 < low < 2 / 7 < high < 1
