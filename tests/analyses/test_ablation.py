"""Counts and changes of predictions, against plain loops."""

import numpy as np
import pytest

from unitscope.analyses.ablation import Ablation
from unitscope.analyses.ablation_counts import AblationSetting, Score, Truth
from unitscope.analyses.ablation_outcome import Outcome

RIGHT = [[0], [1], [], [2, 3], [0], [4], [1]]
BEFORE = np.array([[0, 1], [0, 1], [3, 0], [3, 1], [2, 1], [4, 0], [1, 2]], np.int32)
AFTER = np.array([[1, 0], [1, 0], [2, 0], [3, 1], [0, 1], [0, 4], [1, 2]], np.int32)


def outcome(after=AFTER, right=RIGHT):
    return Outcome(AblationSetting("relu", "image", "low", 2, 6), after, BEFORE[: len(after)], Truth.of(right))


def test_correct_predictions_are_counted_among_labelled_images_only():
    top1 = sum(bool(right) and answers[0] in right for right, answers in zip(RIGHT, BEFORE, strict=True))
    top5 = sum(bool(set(right) & set(answers)) for right, answers in zip(RIGHT, BEFORE.tolist(), strict=True))
    assert Score.of(BEFORE, Truth.of(RIGHT)) == Score(6, top1, top5) == Score(6, 4, 5)


def test_gained_and_lost_predictions_are_separate_from_changed_ones():
    found = outcome()
    assert found.gained.tolist() == [False, True, False, False, True, False, False]
    assert found.lost.tolist() == [True, False, False, False, False, True, False]
    assert (found.changed, found.agreement) == (5, pytest.approx(2 / 7))
    assert found.p_value == 1.0


def test_class_changes_are_sorted_by_loss():
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
