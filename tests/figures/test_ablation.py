"""Curves of accuracy: the drawn values are the counts."""

from dataclasses import replace

import numpy as np
import pytest

from unitscope import figures
from unitscope.analyses.ablation import Ablation
from unitscope.analyses.ablation_counts import AblationSetting, Score, Truth
from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.ablation_removed import Removed
from unitscope.units import Layer

from .conftest import assert_tidy, at_each_width, texts

SETTINGS = [
    ("image", "low", None, 2),
    ("image", "low", None, 5),
    ("dataset", "low", None, 2),
    ("dataset", "random", 0, 2),
    ("dataset", "random", 1, 2),
]


def ablation(labelled=True, layers=("relu",), removed=None):
    random = np.random.default_rng(0)
    truth = Truth.of([[number % 3] for number in range(30)] if labelled else [[]] * 30)
    before = random.permuted(np.tile(np.arange(6, dtype=np.int32), (30, 1)), axis=1)[:, :5]
    outcomes = tuple(
        Outcome(
            AblationSetting(layer, scope, order, count, 10, count / 10, "zero", seed),
            np.roll(before, place, 1),
            before,
            truth,
            removed=removed and removed(count),
        )
        for layer in layers
        for place, (scope, order, seed, count) in enumerate(SETTINGS)
    )
    return Ablation("torchvision:small", 30, Score.of(before, truth), before, outcomes)


def line_of(figure, panel, label):
    lines = [line for line in figure.axes[panel].lines if line.get_label() == label]
    assert len(lines) == 1
    return lines[0]


def test_a_curve_starts_at_the_unchanged_network_and_shows_the_counts():
    found = ablation()
    line = line_of(figures.ablation(found), 0, "lowest first")
    expected = [found.baseline.top1_correct, found.outcomes[0].score.top1_correct, found.outcomes[1].score.top1_correct]
    assert line.get_xdata().tolist() == pytest.approx([0, 0.2, 0.5])
    assert list(line.get_ydata()) == pytest.approx([count / 30 for count in expected])


def test_seeds_of_a_random_order_are_averaged():
    found = ablation()
    line = line_of(figures.ablation(found), 1, "random")
    mean = sum(outcome.score.top1_correct for outcome in found.outcomes[3:]) / 2 / 30
    assert line.get_ydata()[1] == pytest.approx(mean)


def test_without_labels_agreement_is_drawn():
    found = ablation(labelled=False)
    figure = figures.ablation(found)
    assert list(line_of(figure, 0, "lowest first").get_ydata())[:2] == [1.0, found.outcomes[0].agreement]
    assert "with the same Top-1 class as in the unmodified network" in " ".join(text for text, _ in texts(figure))


@at_each_width
def test_layers_and_scopes_have_panels_with_whole_titles_and_nothing_overlaps(width):
    figure = figures.ablation(ablation(layers=("features.12.expand3x3_activation", "classifier.2")), width=width)
    assert len(figure.axes) == 4
    assert_tidy(figure)
    written = " ".join(text for text, _ in texts(figure))
    assert "features.12.expand3x3_activation: units ranked for each image" in written
    assert "classifier.2: same units for all images" in written


def test_top_1_and_top_5_are_told_apart_in_the_legend():
    figure = figures.ablation(ablation())
    names = [text for text, _ in texts(figure)]
    top1, top5 = (figure.artists[names.index(name) - names.index("lowest first")] for name in ("Top-1", "Top-5"))
    assert top1.get_linewidth() > 2 * top5.get_linewidth()
    assert (top1.get_marker(), top5.get_marker()) == ("o", "")
    assert not {"Top-1", "Top-5"} & {text for text, _ in texts(figures.ablation(ablation(labelled=False)))}


def test_layers_are_shown_with_all_names():
    known = (Layer(1, "relu", "activation", 10, (10, 7, 7), aliases=("act:3", "conv2_1")),)
    written = [text for text, _ in texts(figures.ablation(replace(ablation(), layers=known)))]
    assert "relu (conv2_1, act:3): units ranked for each image" in written


def some_removed(count):
    """Two units per image were zero already, so that removing them removed nothing."""
    maps = 30 * count
    return Removed(30, maps, min(maps, 60), maps - min(maps, 60), (count - 2) * 10.0, 80.0)


def test_a_second_row_shows_accuracy_over_the_share_of_activation_removed():
    found = ablation(removed=some_removed)
    figure = figures.ablation(found)
    assert len(figure.axes) == 4
    assert_tidy(figure)
    line = line_of(figure, 2, "lowest first")
    assert line.get_xdata().tolist() == pytest.approx([0, 0, 30 / 80])
    assert list(line.get_ydata()) == list(line_of(figure, 0, "lowest first").get_ydata())
    assert figure.axes[2].get_xlabel() == "share of Σ|α| removed"


def test_removals_of_nothing_are_hollow_and_the_caption_says_so():
    figure = figures.ablation(ablation(removed=some_removed))
    hollow = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    assert [line.get_xdata().tolist() for line in hollow] == [[0.2]]
    assert "Hollow points removed nothing" in " ".join(text for text, _ in texts(figure))
    assert "Hollow" not in " ".join(text for text, _ in texts(figures.ablation(ablation())))
