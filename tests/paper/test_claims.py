"""Each claim on planted data: the right verdict is known, in both directions."""

import numpy as np
import pytest

import unitscope
from tests.scanning.conftest import folder, network
from unitscope.analyses.ablation_counts import AblationSetting, Truth
from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.ablation_removed import Removed
from unitscope.analyses.estimates import Estimate, Proportion
from unitscope.paper.claim_rules import costs_nothing, costs_something, falls, maps_stand, shares_more
from unitscope.paper.cosine_table import contrast_of
from unitscope.paper.generality import generality
from unitscope.paper.mean_and_max import shared_of
from unitscope.paper.overlap import KINDS, overlaps
from unitscope.paper.own_units import own_units
from unitscope.paper.samples import Sample
from unitscope.paper.shared_exemplars import units_without_one_label
from unitscope.paper.sparseness import Sparseness, near_zero
from unitscope.paper.unit_figures import most_stay
from unitscope.paper.verdicts import NOT_SUPPORTED, OPEN, SUPPORTED, by_interval, mean_of
from unitscope.units import Layer

__all__ = ["folder", "network"]

UNITS = 120
RELU = Layer(0, "relu", "activation", UNITS, (UNITS, 4, 4))


def sample(kinds):
    """Images named by what they show; those named alike share a class."""
    kinds = np.array(kinds)
    labels = kinds[:, None] == np.unique(kinds)[None]
    return Sample(np.arange(len(kinds)), labels, kinds == "cat", kinds == "dog")


def animals(each=20, others=30):
    return sample(["cat"] * each + ["dog"] * each + [f"other {number % 10}" for number in range(others)])


def responses(images, seed, *, common=(), strength=5.0):
    """Random responses; images in ``common`` respond strongly to the first units."""
    values = np.random.default_rng(seed).gamma(1.0, size=(images, UNITS)).astype(np.float32)
    values[np.ix_(np.asarray(common, int), np.arange(6))] += strength
    return values


def test_a_cat_and_a_dog_that_share_planted_units_support_the_claim():
    found = overlaps(RELU, responses(70, 0, common=range(40)), animals())
    assert found.means[KINDS[0]].value > 3
    assert shares_more(found).answer == SUPPORTED


def test_units_that_all_images_share_do_not_support_that_a_cat_and_a_dog_share_some():
    found = overlaps(RELU, responses(70, 0, common=range(70)), animals())
    assert found.means[KINDS[0]].value > 3 > found.chance
    assert shares_more(found).answer == NOT_SUPPORTED


def test_too_few_cats_can_not_tell():
    found = shares_more(overlaps(RELU, responses(48, 0, common=range(18)), animals(each=9)))
    assert (found.answer, found.why) == (OPEN, "9 images of cats and 9 of dogs; 10 of each are needed")


def test_the_claim_of_shared_units_keeps_its_level_where_images_are_random():
    answers = [shares_more(overlaps(RELU, responses(70, seed), animals())).answer for seed in range(40)]
    assert answers.count(SUPPORTED) <= 3
    assert answers.count(NOT_SUPPORTED) > 30


def test_overlaps_are_those_counted_pair_by_pair():
    values, given = responses(40, 1), sample(["cat"] * 12 + ["dog"] * 10 + ["hen", "pug", "hen"] * 6)
    values[values < 2] = 0
    found = overlaps(RELU, values, given)
    tops = [{unit for unit in np.argsort(-row, kind="stable")[:9] if row[unit] > 0} for row in values]
    names = ["cat"] * 12 + ["dog"] * 10 + ["hen", "pug", "hen"] * 6
    by_kind = {kind: [] for kind in KINDS}
    for one in range(40):
        for other in range(one):
            pair = {names[one], names[other]}
            kind = KINDS[0] if pair == {"cat", "dog"} else KINDS[1] if len(pair) == 2 else KINDS[2]
            by_kind[kind].append(len(tops[one] & tops[other]))
    for kind, counts in by_kind.items():
        assert found.pairs[kind] == len(counts)
        assert found.means[kind].value == pytest.approx(np.mean(counts))
        assert found.spreads[kind] == pytest.approx(np.std(counts))
        assert found.means[kind].low <= np.mean(counts) <= found.means[kind].high
    assert found.chance == pytest.approx(81 / UNITS)


def depths(shared):
    """Layers in which images have this many strong units in common."""
    values = [np.random.default_rng(number).gamma(1.0, size=(60, UNITS)).astype(np.float32) for number in range(6)]
    for layer, count in zip(values, shared, strict=True):
        layer[:, :count] += 20
    return [
        (Layer(number, f"l{number}", "activation", UNITS, (UNITS, 4, 4)), each) for number, each in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("shared", "answer"),
    [((12, 10, 8, 6, 3, 0), SUPPORTED), ((0, 3, 6, 8, 10, 12), NOT_SUPPORTED), ((6, 0, 12, 12, 0, 6), NOT_SUPPORTED)],
)
def test_units_shared_by_all_images_in_shallow_layers_only_support_that_those_are_general(shared, answer):
    found = generality(depths(shared), animals(each=10, others=40))
    assert falls(found.trend).answer == answer
    if answer == SUPPORTED:
        assert found.table["different"].is_monotonic_decreasing
        assert found.table["different"].iloc[-1] == pytest.approx(0.1, abs=0.03)


def test_random_images_support_neither_a_trend_nor_likeness_within_a_class():
    for seed in range(10):
        drawn = [responses(60, 100 * seed + number) for number in range(6)]
        layers = [(RELU, values) for values in drawn]
        given = animals(each=10, others=40)
        assert falls(generality(layers, given).trend).answer != SUPPORTED
        assert by_interval(contrast_of(drawn[0], given.one_class), above=0, below=0.05).answer != SUPPORTED


def test_units_at_zero_are_not_shared():
    values = np.zeros((60, UNITS), np.float32)
    values[np.arange(60), np.arange(60)] = 1  # each image has one unit of its own
    found = generality([(RELU, values)] * 3, animals(each=10, others=40))
    assert found.table["different"].tolist() == [0, 0, 0]
    assert falls(found.trend).answer == OPEN


@pytest.mark.parametrize(("one_class", "answer"), [(True, SUPPORTED), (False, NOT_SUPPORTED)])
def test_images_of_one_class_with_planted_units_are_more_alike(one_class, answer):
    values, given = responses(70, 0), animals()
    for number, row in enumerate(given.labels):
        values[number, 10 * np.argmax(row) : 10 * np.argmax(row) + 5] += 5 * one_class
    assert by_interval(contrast_of(values, given.one_class), above=0, below=0.05).answer == answer


@pytest.mark.parametrize(("power", "answer"), [(4, SUPPORTED), (0.5, NOT_SUPPORTED)], ids=["sparse", "dense"])
def test_sparse_responses_are_mostly_near_zero_and_dense_ones_are_not(power, answer):
    values = np.random.default_rng(0).random((40, UNITS)).astype(np.float32) ** power
    found = near_zero(values)
    for row, share in zip(values, found, strict=True):
        assert share == np.mean([value < 0.1 * row.max() for value in row.astype(np.float64)])
    assert by_interval(mean_of(found), above=0.5).answer == answer
    assert np.isnan(near_zero(np.zeros((1, 5)))[0])


def test_sparsity_is_compared_on_the_same_images_only():
    layer = RELU
    one = Sparseness(layer, ("a", "b", "c"), {"gini": np.array([0.9, 0.7, 0.8])}, 0)
    other = Sparseness(layer, ("c", "d", "a"), {"gini": np.array([0.5, 0.1, 0.6])}, 0)
    assert one.minus(other, "gini").value == pytest.approx(0.3)
    assert one.minus(other, "gini").images == 2
    assert one.minus(Sparseness(layer, ("e",), {"gini": np.array([0.5])}, 0), "gini").images == 0


def test_mean_and_maximum_agree_where_they_rank_alike():
    means = np.random.default_rng(0).random((5, UNITS)).astype(np.float32)
    assert shared_of(RELU, means, 3 * means).tolist() == [9] * 5
    assert shared_of(RELU, means, 1 - means).tolist() == [0] * 5


def removal(gained, lost, *, zero=0, maps=4000, images=1000):
    """A removal that changes some right and wrong answers; labels are 0."""
    before, after = np.zeros((images, 1), np.int32), np.zeros((images, 1), np.int32)
    before[:gained], after[gained : gained + lost] = 1, 1
    removed = Removed(images, maps, zero, maps - zero, 0.1 * (maps - zero), 1000.0)
    return Outcome(
        AblationSetting("relu", "image", "low", 4, 20, 0.2),
        after,
        before,
        Truth.of([[0]] * images),
        None,
        None,
        removed,
    )


@pytest.mark.parametrize(
    ("outcome", "nothing", "something"),
    [
        (removal(1, 1), SUPPORTED, NOT_SUPPORTED),
        (removal(2, 60), NOT_SUPPORTED, SUPPORTED),
        (removal(60, 2), SUPPORTED, NOT_SUPPORTED),
        (removal(20, 20), OPEN, OPEN),
        (removal(0, 0, zero=4000), OPEN, OPEN),
        (removal(0, 0, zero=3000), OPEN, OPEN),
        (removal(0, 0, zero=1000), SUPPORTED, NOT_SUPPORTED),
        (removal(2, 60, zero=3000), NOT_SUPPORTED, SUPPORTED),  # the maps that were not zero had an effect
    ],
)
def test_a_removal_costs_nothing_or_something_or_removed_nothing(outcome, nothing, something):
    assert (costs_nothing(outcome).answer, costs_something(outcome).answer) == (nothing, something)


def test_a_removal_of_zeros_says_so_instead_of_supporting_the_claim():
    assert costs_nothing(removal(0, 0, zero=4000)).why == "nothing was removed: all 4,000 maps were zero already"
    assert "75% of the removed maps were zero already" in costs_nothing(removal(0, 0, zero=3000)).why
    assert costs_nothing(removal(0, 0, zero=1000)).p_value == 1.0
    assert costs_nothing(removal(0, 0, zero=3000)).p_value is None
    assert costs_nothing(removal(20, 20, zero=3000)).p_value is None


@pytest.mark.parametrize(("flipped", "answer"), [(10, SUPPORTED), (93, NOT_SUPPORTED), (52, OPEN)])
def test_predictions_stand_noise_if_most_stay(flipped, answer):
    found = most_stay(Proportion((flipped,), 100))
    assert found.answer == answer
    assert found.number.value == pytest.approx(1 - flipped / 100)


@pytest.mark.parametrize(("least", "answer"), [(0.8, SUPPORTED), (0.3, NOT_SUPPORTED), (0.49, OPEN), (np.nan, OPEN)])
def test_the_lower_of_two_maps_correlations_judges(least, answer):
    found = maps_stand([Estimate(0.9, 0.02, np.nan, 100), Estimate(least, 0.02, np.nan, 100)])
    assert found.answer == answer


def test_exemplars_of_one_class_are_counted_by_hand(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas").atlas
    labels = atlas.images["label_names"].tolist()
    units, without = units_without_one_label(atlas, atlas.find("relu"))
    tops = [np.argsort(-atlas.responses("relu")[:, unit], kind="stable")[:9] for unit in (0, 1, 2, 3, 5)]
    assert units == 5  # one is dead
    assert without == sum(len({labels[row][0] for row in rows}) > 1 for rows in tops)
    assert 0 < without < 5


def test_no_unit_can_show_one_class_only_if_classes_are_small(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas", options=unitscope.ScanOptions(limit=20)).atlas
    assert units_without_one_label(atlas, atlas.find("relu")) == (0, 0)


def vgg(widths=((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)), *, norm=False, pools=5):
    """The layers of a network with the form of VGG-16, under names of its own."""
    kinds = []
    for number, block in enumerate(widths):
        for width in block:
            kinds += [("convolution", width), *([("norm", width)] if norm else []), ("activation", width)]
        kinds += [("pool", block[-1])] * (number < pools)
    kinds += [("linear", 4096), ("activation", 4096), ("linear", 10)]
    return [Layer(number, f"body.{number}", kind, units, (units,)) for number, (kind, units) in enumerate(kinds)]


@pytest.mark.parametrize("norm", [False, True])
def test_the_papers_units_are_found_by_the_form_of_vgg_16(norm):
    layers = vgg(norm=norm)
    found = own_units(layers)
    activations = [layer.name for layer in layers if layer.kind == "activation" and layer.units == 512]
    assert [(unit.layer, unit.channel) for unit in found] == [(activations[5], 71), (activations[4], 11)]


@pytest.mark.parametrize(
    "layers",
    [
        vgg(((64, 64), (128, 128), (256, 256, 256, 256), (512,) * 4, (512,) * 4)),
        vgg(((64, 64), (128, 128), (256, 256), (512, 512), (512, 512))),
        vgg(((32, 32), (64, 64), (128, 128, 128), (256,) * 3, (256,) * 3)),
        vgg()[:-8],
        [*vgg()[:4], Layer(99, "sum", "add", 64, (64,)), *vgg()[4:]],
    ],
    ids=["vgg-19", "vgg-13", "half as wide", "cut", "residual"],
)
def test_other_forms_do_not_have_the_papers_units(layers):
    assert own_units(layers) == ()
