"""The top classes of a network's predictions, against a plain sort."""

import numpy as np
import pytest

from unitscope.analyses.predictions import best_classes, top_predictions


def sorted_classes(row, count):
    """By logit; ties go to the lower class."""
    return sorted(range(len(row)), key=lambda cls: (-row[cls], cls))[:count]


@pytest.mark.parametrize("count", [1, 5, 9])
def test_the_greatest_logits_come_first_and_ties_go_to_the_lower_class(count):
    logits = np.random.default_rng(0).integers(-3, 4, (4, 6, 7)).astype(np.float32)
    found = best_classes(logits, count)
    assert found.dtype == np.int32
    assert found.tolist() == [[sorted_classes(row, count) for row in some] for some in logits]


def test_no_class_is_repeated_for_any_logits():
    logits = np.array([[0, -np.inf, -np.inf, 2], [-np.inf, 1, -np.inf, -np.inf], [-np.inf] * 4], np.float32)
    assert best_classes(logits, 4).tolist() == [[3, 0, 1, 2], [1, 0, 2, 3], [0, 1, 2, 3]]


def test_without_numbers_there_is_no_prediction():
    logits = np.array([[0, 1, 2], [np.nan, 1, 0], [np.nan] * 3], np.float32)
    assert best_classes(logits, 2).tolist() == [[2, 1], [-1, -1], [-1, -1]]


def test_probabilities_are_those_of_softmax():
    logits = np.random.default_rng(1).normal(0, 3, (5, 8)).astype(np.float32)
    classes, probabilities = top_predictions(logits, 3)
    softmax = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(1, keepdims=True)
    assert classes.tolist() == [sorted_classes(row, 3) for row in logits]
    np.testing.assert_allclose(probabilities, np.take_along_axis(softmax, classes, 1), rtol=1e-6)
