"""What a removal took away, against plain loops."""

import math

import numpy as np
import pytest

from unitscope.analyses.ablation import Ablation
from unitscope.analyses.ablation_counts import AblationSetting, Score, Truth
from unitscope.analyses.ablation_notes import removal_notes
from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.ablation_removed import BatchMaps, Removed

UNITS = 7


def drawn(images=40, seed=0):
    random = np.random.default_rng(seed)
    responses = random.normal(size=(images, UNITS)).astype(np.float32) * 10.0 ** random.integers(-6, 4, (images, 1))
    responses[random.random((images, UNITS)) < 0.4] = 0
    nonzero = (responses != 0) | (random.random((images, UNITS)) < 0.1)  # maps of both signs can have a mean of zero
    responses[3, 2] = np.nan
    return random.random((images, UNITS)) < 0.5, nonzero, responses.astype(np.float32)


def by_hand(removed, nonzero, responses, fill):
    maps = zero = changed = 0
    gone, whole = [], []
    for image in range(len(responses)):
        for unit in range(UNITS):
            size = abs(float(responses[image, unit]))
            if math.isnan(size):
                continue
            whole.append(size)
            if removed[image, unit]:
                maps, zero = maps + 1, zero + (not nonzero[image, unit])
                changed += bool(nonzero[image, unit]) or fill[unit] != 0
                gone.append(size)
    return maps, zero, changed, math.fsum(gone), math.fsum(whole)


@pytest.mark.parametrize("fill", [np.zeros(UNITS), np.arange(UNITS) / 2.0])
def test_maps_and_activation_removed_are_those_counted_one_by_one(fill):
    given = drawn()
    removed, *maps = given
    found = Removed.sum([BatchMaps(*maps, fill).remove(removed)])
    maps, zero, changed, gone, whole = by_hand(*given, fill)
    assert (found.images, found.maps, found.zero, found.changed) == (40, maps, zero, changed)
    assert found.already_zero == zero / maps
    assert found.share == pytest.approx(gone / whole, rel=1e-14)
    assert found.units == maps / 40


def test_batches_of_any_size_give_the_same_sums_bit_for_bit():
    removed, nonzero, responses = drawn()

    def total(size):
        starts = range(0, 40, size)
        slices = [slice(start, start + size) for start in starts]
        fill = np.zeros(UNITS)
        return Removed.sum([BatchMaps(nonzero[at], responses[at], fill).remove(removed[at]) for at in slices])

    assert total(40) == total(1) == total(7)


@pytest.mark.parametrize(
    ("removed", "note"),
    [
        (Removed(2, 0, 0, 0, 0.0, 5.0), "nothing was removed: no unit was selected"),
        (Removed(2, 6, 6, 0, 0.0, 5.0), "nothing was removed: all 6 maps were zero already"),
        (Removed(2, 6, 5, 1, 0.02, 5.0), "almost nothing was removed: 0.004 of Σ|α|"),
        (Removed(2, 6, 5, 1, 0.2, 5.0), ""),
        (Removed(2, 6, 6, 6, 0.0, 5.0), "almost nothing was removed: 0 of Σ|α|"),  # zeros, replaced by a mean
    ],
)
def test_a_removal_of_nothing_or_almost_nothing_has_a_note(removed, note):
    assert removed.note == note
    assert removed.nothing == note.startswith("nothing")


def outcome(removed, order="low", count=2):
    predictions = np.array([[0], [1], [1]], np.int32)
    setting = AblationSetting("relu", "image", order, count, 10, count / 10)
    return Outcome(setting, predictions, predictions, Truth.of([[0], [1], [0]]), removed=removed)


def test_nothing_removed_is_no_evidence_in_table_and_json():
    nothing, something = outcome(Removed(3, 6, 6, 0, 0.0, 5.0)), outcome(Removed(3, 6, 1, 5, 1.0, 5.0))
    values = nothing.to_dict()
    assert (values["p_value"], values["nothing_removed"], values["already_zero"]) == (None, True, 1.0)
    assert values["note"] == "nothing was removed: all 6 maps were zero already"
    assert something.to_dict()["p_value"] == 1.0
    assert something.to_dict()["activation_removed"] == 0.2
    result = Ablation("net", 3, Score(3, 2, 2), nothing.before, (nothing, something))
    table = result.tables()["With units removed"]
    assert table["p"].tolist() == [None, 1.0]
    assert table[["gained", "lost"]].to_numpy().tolist() == [[None, None], [0, 0]]
    assert table["zero already"].tolist() == [1.0, pytest.approx(1 / 6)]
    assert table["note"].tolist() == [values["note"], ""]


def test_what_was_removed_is_stored_and_read_back_and_may_be_missing():
    removed = outcome(Removed(3, 6, 5, 1, 0.02, 5.0))
    result = Ablation("net", 3, Score(3, 2, 2), removed.before, (removed, outcome(None)))
    stored = Ablation.from_dict(result.to_dict())
    assert [one.removed for one in stored.outcomes] == [removed.removed, None]
    assert stored.to_dict() == result.to_dict()


def test_warnings_name_settings_that_remove_nothing_and_lowest_units_that_are_negative():
    outcomes = [
        outcome(Removed(3, 6, 6, 0, 0.0, 5.0)),
        outcome(Removed(3, 6, 5, 1, 0.01, 5.0)),
        outcome(Removed(3, 6, 0, 6, 2.0, 5.0)),
        outcome(Removed(3, 6, 0, 6, 2.0, 5.0), order="low-abs"),
    ]
    nothing, almost, negative = removal_notes(outcomes)
    assert nothing.startswith(
        "1 setting of 4 removed nothing, since all maps were zero already (relu, image, low, 2 units"
    )
    assert "use --among active" in nothing
    assert almost.startswith("1 setting of 4 removed less than 1% of the layer's activation")
    assert "at relu, 40% of Σ|α| in 20% of the units; use --order low-abs" in negative
    assert removal_notes(outcomes[3:]) == []
