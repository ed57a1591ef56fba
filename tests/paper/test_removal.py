"""Tables 4 and 5 from planted predictions: spread over draws, corrected p-values, what was removed."""

import numpy as np
import pytest

from unitscope.analyses.ablation import Ablation
from unitscope.analyses.ablation_counts import AblationSetting, Score, Truth
from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.ablation_removed import Removed
from unitscope.analyses.statistics import holm, mcnemar
from unitscope.paper.removal import Removals, removal_tables

IMAGES = 200
TRUTH = Truth.of([[0]] * IMAGES)
SOME, NOTHING = Removed(IMAGES, 800, 200, 600, 30.0, 100.0), Removed(IMAGES, 800, 800, 0, 0.0, 100.0)


def outcome(order, after, *, seed=None, among="all", removed=SOME, before=None):
    setting = AblationSetting("conv", "image", order, 4, 20, 0.2, seed=seed, among=among)
    before = np.zeros(IMAGES, int) if before is None else before
    return Outcome(setting, *(each[:, None].astype(np.int32) for each in (after, before)), TRUTH, None, None, removed)


def wrong(count):
    return (np.arange(IMAGES) < count).astype(int)


def ablation(*outcomes):
    return Ablation("net", IMAGES, Score(IMAGES, IMAGES, IMAGES), outcomes[0].before, outcomes)


@pytest.fixture
def found():
    draws = [outcome("random", wrong(count), seed=seed) for seed, count in enumerate((10, 20, 60))]
    curves = ablation(outcome("low", wrong(0), removed=NOTHING), outcome("high", wrong(30)), *draws)
    return Removals.of(curves, [ablation(outcome("low", wrong(1), among="active"))])


@pytest.fixture
def table(found, make_case):
    """Table 4 of a network whose images don't matter."""
    return removal_tables([(make_case("bare"), found)])[0].rows.set_index("units")


def test_rows_have_means_and_spreads_over_draws_and_what_was_removed(table):
    counts = np.array([190, 180, 140])
    row = table.loc["random 4 of 20"]
    spread = counts.std(ddof=1) / IMAGES
    assert row["Top-1 after"] == f"{counts.mean() / IMAGES:.4f} ± {spread:.4f} ({counts.mean():.1f})"
    assert row["p"] == f"{mcnemar(0, 60):.3g}–{mcnemar(0, 10):.3g}"
    assert (row["zero already"], row["Σ|α| removed"]) == (0.25, 0.3)
    assert table.loc["lowest 4 of 20, active", "lost"] == 1


def test_a_removal_of_nothing_has_no_p_value_no_counts_and_a_note(table):
    row = table.loc["lowest 4 of 20"]
    assert (row["p"], row["p corrected"], row["zero already"]) == ("nothing removed", "", 1)
    assert row[["gained", "lost"]].isna().all()
    assert row["note"] == "nothing was removed: all 800 maps were zero already"


def test_p_values_are_corrected_for_all_settings_of_a_network_that_removed_something(found):
    tested = [one for run in found.runs for one in run.outcomes if not one.nothing_removed]
    assert len(tested) == 5
    expected = holm([mcnemar(0, count) for count in (30, 10, 20, 60, 1)])
    assert [found.corrected[one] for one in tested] == pytest.approx(expected.tolist())


def test_corrected_p_values_keep_their_level_where_removals_change_as_many_to_right_as_to_wrong():
    random, false = np.random.default_rng(0), 0
    for _ in range(150):
        before = random.integers(0, 2, IMAGES)
        flips = random.random((4, IMAGES)) < 0.15
        swapped = np.where(flips, 1 - before, before)
        found = Removals.of(ablation(*(outcome("high", after, before=before) for after in swapped)), [])
        false += min(found.corrected.values()) <= 0.05
    assert 0 < false <= 150 * 0.08
