"""A class against other images: SciPy's Mann-Whitney test of each unit, and units with a known effect."""

import tracemalloc
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unitscope.analyses import class_contrast as module
from unitscope.analyses.class_contrast import ReferenceSample, class_inhibition, reference_rows
from unitscope.analyses.inhibition import ranked
from unitscope.errors import UnitscopeError

from .test_near_duplicates import LAYERS, pictures

SEEDS = range(4)


def slow_p_value(of_class, of_others, asymptotic):
    """The normal approximation; for few images that share the lowest response, given how many of the class have it."""
    pooled = np.concatenate([of_class, of_others])
    shared, count, images = int((pooled == pooled.min()).sum()), len(pooled), len(of_class)
    if shared == 1 or images > 100 or not np.isfinite(pooled).all():
        return asymptotic
    observed, above = stats.rankdata(pooled)[:images].sum(), stats.rankdata(pooled[pooled > pooled.min()])
    total = 0.0
    for low in range(max(0, images - count + shared), min(images, shared) + 1):
        chance = stats.hypergeom.pmf(low, count, shared, images)
        high = images - low
        # The sum of the ranks, among the responses above the lowest, of the class's images.
        most = observed - low * (shared + 1) / 2 - high * shared
        if most < high * (high + 1) / 2:
            continue
        spread = np.sqrt(high * (len(above) - high) / len(above) * above.var(ddof=1)) if 0 < high < len(above) else 0
        total += chance * (stats.norm.cdf((most + 0.5 - high * above.mean()) / spread) if spread else 1)
    return total


def class_contrast(of_class, of_others):
    """The table by definition: Mann and Whitney's test of all responses ``[image, unit]`` of both kinds."""
    test = stats.mannwhitneyu(of_class, of_others, alternative="less", axis=0, method="asymptotic")
    p_values = [
        slow_p_value(one, other, float(alone))
        for one, other, alone in zip(of_class.T, of_others.T, test.pvalue, strict=True)
    ]
    inside, outside = (values.mean(0, dtype=np.float64) for values in (of_class, of_others))
    table = pd.DataFrame(
        {
            "unit": np.arange(of_class.shape[1]),
            "inside": inside,
            "outside": outside,
            "contrast": inside - outside,
            "effect_size": 2 * test.statistic / (len(of_class) * len(of_others)) - 1,
            "p_value": p_values,
            "images": len(of_class),
        }
    )
    return ranked(table[table["outside"] > 0])


@pytest.fixture
def contrast(make_atlas):
    """The table of `class_inhibition` for responses to a class and to others."""

    def ask(of_class, others):
        labels = ["cat"] * len(of_class) + ["dog"] * len(others)
        atlas = make_atlas(np.concatenate([of_class, others]).astype(np.float32), labels=labels)
        return class_inhibition(atlas, "relu", "cat").units

    return ask


def responses(images=200):
    """Half zeros, with ties; one unit is inhibited by the first class, one is dead, one is constant."""
    random = np.random.default_rng(6)
    found = np.maximum(random.normal(0, 1, (images, 9)), 0).astype(np.float32)
    found[:, 1] = np.round(found[:, 1] * 2)
    found[:, 2] -= 1
    found[: images // 8, 3] *= 0.1
    found[:, 4], found[:, 5] = 0, 3
    found[10] = np.nan
    return found


def labels(images=200):
    return ["cat"] * (images // 8) + ["dog,cat"] * 3 + ["dog"] * (images - images // 8 - 3)


def rows_of(name):
    return [row for row, each in enumerate(labels()) if name in each.split(",") and row != 10]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_table_equals_scipys_mann_whitney_test_and_cliffs_delta_by_counting(contrast, seed):
    random = np.random.default_rng(seed)
    of_class = random.normal(0.2, 1, (9, 5)).astype(np.float32)
    others = random.normal(0.8, 1, (31, 5)).astype(np.float32)
    others[2:7, 0] = 3  # tied
    table = contrast(of_class, others).set_index("unit").sort_index()
    for unit in range(5):
        pairs = np.sign(of_class[:, unit, None].astype(float) - others[None, :, unit])
        assert table["effect_size"][unit] == pytest.approx(pairs.mean())
        alone = stats.mannwhitneyu(of_class[:, unit], others[:, unit], alternative="less", method="asymptotic")
        assert table["p_value"][unit] == pytest.approx(alone.pvalue)
    np.testing.assert_allclose(table["p_corrected"], stats.false_discovery_control(table["p_value"]))


@pytest.mark.parametrize("seed", SEEDS)
def test_with_many_zeros_the_p_value_is_close_to_that_of_all_permutations(contrast, seed):
    random = np.random.default_rng(seed)
    values = (random.exponential(size=(14, 6)) * (random.random((14, 6)) > 0.5)).astype(np.float32)
    values[:, 0] = [0] * 9 + [1, 2, 3, 4, 5]
    table = contrast(values[:5], values[5:]).set_index("unit").sort_index()
    for unit, found in table["p_value"].items():
        drawn = [list(some) for some in combinations(range(14), 5)]
        sums = stats.rankdata(values[:, unit])[np.array(drawn)].sum(1)
        assert found == pytest.approx((sums <= sums[0]).mean(), abs=0.03)
    assert table["p_value"][0] == pytest.approx(comb(9, 5) / comb(14, 5), rel=1e-6)


@pytest.mark.parametrize(("images", "others"), [(5, 300), (13, 130), (40, 200), (101, 300)])
@pytest.mark.parametrize("zeros", [0, 0.3, 0.6, 0.9])
def test_a_class_like_the_others_is_rejected_in_at_most_1_of_20_units(make_atlas, images, others, zeros):
    """The null distribution: 1,500 units, most responses zero or none; a normal approximation rejects up to 8%."""
    random = np.random.default_rng([images, round(10 * zeros)])
    values = random.exponential(size=(images + others, 1500)) * (random.random((images + others, 1500)) >= zeros)
    atlas = make_atlas(values.astype(np.float32), labels=["cat"] * images + ["dog"] * others)
    p_values = class_inhibition(atlas, "relu", "cat").units["p_value"]
    assert (p_values <= 0.05).sum() / 1500 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert (p_values <= 0.05).sum() / 1500 > 0.03 or images * (1 - zeros) < 8


def test_near_duplicates_count_once_in_the_class_and_among_the_others(make_atlas):
    distinct = pictures(70, 1, noise=0)
    rows = [*np.arange(10).repeat(3), *range(10, 40), *np.arange(40, 70).repeat(2)]
    labels = ["cat"] * 30 + ["dog"] * 90
    atlas = make_atlas(distinct[rows], layers=LAYERS, labels=labels)
    found = class_inhibition(atlas, "third", "cat")
    assert (len(found.images), found.left_out, found.others, found.others_in_atlas) == (10, 20, 60, 90)
    third = distinct[:, 90:150].astype(float)
    expected = class_contrast(third[:10], third[10:])
    pd.testing.assert_frame_equal(found.units, expected, check_dtype=False, rtol=1e-6, atol=1e-7)


def test_a_class_of_crops_of_few_photographs_is_refused(make_atlas):
    responses = np.concatenate([pictures(3, 5, noise=0.1), pictures(40, 1, noise=0.1, seed=1)])
    atlas = make_atlas(responses, layers=LAYERS, labels=["cat"] * 15 + ["dog"] * 40)
    with pytest.raises(UnitscopeError, match="the 15 images of class 'cat' are near-duplicates of 3, such as crops"):
        class_inhibition(atlas, "third", "cat")


def test_images_are_removed_from_the_reference_sample(make_atlas):
    atlas = make_atlas(responses(), labels=labels())
    layer, gone = atlas.find("relu"), np.array([3, 17, 18, 150])
    kept = np.setdiff1d(reference_rows(atlas), gone)
    found, expected = (
        ReferenceSample.of(atlas, layer).without(gone),
        ReferenceSample.of(atlas, layer, rows=kept),
    )
    for name in ("rows", "ordered", "ties"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_it_does_not_depend_on_how_many_units_are_ranked_at_once(contrast, monkeypatch):
    random = np.random.default_rng(1)
    of_class, others = random.random((7, 37)), random.random((20, 37))
    whole = contrast(of_class, others)
    monkeypatch.setattr(module, "_AT_ONCE", 60)
    pd.testing.assert_frame_equal(contrast(of_class, others), whole)


def test_memory_is_bounded_and_the_result_is_the_same(make_atlas, monkeypatch):
    responses = np.random.default_rng(4).random((1500, 1000), np.float32)
    atlas = make_atlas(responses, layers={"first": 10, "wide": 990}, labels=["cat"] * 30 + ["dog"] * 1470)
    whole = class_contrast(*(some.astype(float) for some in (responses[:30, 10:], responses[30:, 10:])))
    monkeypatch.setattr(module, "_AT_ONCE", 1500 * 20)
    class_inhibition(atlas, "first", "cat")  # what is read once and kept is not counted
    tracemalloc.start()
    found = class_inhibition(atlas, "wide", "cat")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * responses.nbytes
    pd.testing.assert_frame_equal(found.units, whole)


def test_a_known_class_is_found_and_dead_units_have_no_rank(contrast):
    random = np.random.default_rng(2)
    of_class, others = random.random((20, 4)), random.random((80, 4))
    of_class[:, 2] *= 0.2
    of_class[:, 3] = others[:, 3] = 0
    table = contrast(of_class, others)
    assert list(table["unit"][table["p_corrected"] < 0.05]) == [2]
    assert 3 not in set(table["unit"])


def test_four_images_are_too_few(contrast):
    with pytest.raises(UnitscopeError, match=r"needs at least 5 images.*, but there are 4"):
        contrast(np.ones((4, 2)), np.ones((4, 2)))


def test_five_are_enough_to_find_a_unit(contrast):
    of_class, others = np.zeros((5, 1)), np.arange(1.0, 6)[:, None]
    assert contrast(of_class, others)["p_corrected"].iloc[0] < 0.01


@pytest.mark.parametrize("name", ["cat", "dog"])
def test_a_class_among_all_images_is_compared_with_all_other_images(make_atlas, name):
    given = responses()
    atlas = make_atlas(given, labels=labels())
    found = class_inhibition(atlas, "relu", name)
    others = np.setdiff1d(np.delete(np.arange(200), 10), rows_of(name))
    assert (found.images, found.concept) == (tuple(f"{row:05d}.png" for row in rows_of(name)), name)
    assert found.others == found.others_in_atlas == len(others)
    expected = class_contrast(given[rows_of(name)].astype(float), given[others].astype(float))
    by_unit = [table.sort_values("unit", ignore_index=True) for table in (found.units, expected)]
    pd.testing.assert_frame_equal(*by_unit, check_dtype=False, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", ["cat", "dog"])
def test_a_class_among_some_images_is_compared_with_the_others_of_them(make_atlas, monkeypatch, name):
    monkeypatch.setattr(module, "MAX_IMAGES", 90)
    given = responses()
    atlas = make_atlas(given, labels=labels())
    among = ReferenceSample.of(atlas, atlas.find("relu"))
    others = np.setdiff1d(among.rows, rows_of(name))
    assert len(among.rows) == 90
    assert 0 < len(others) < 90
    expected = class_contrast(given[rows_of(name)].astype(float), given[others].astype(float))
    found = class_inhibition(atlas, "relu", name)
    assert found.others == len(others)
    assert found.others_in_atlas == 199 - len(rows_of(name))
    pd.testing.assert_frame_equal(found.units, expected, check_dtype=False, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("at_once", [500, 10**6])
def test_the_same_reference_sample_is_drawn_every_time(make_atlas, monkeypatch, at_once):
    monkeypatch.setattr(module, "MAX_IMAGES", 90)
    atlas = make_atlas(responses(), labels=labels())
    sample = ReferenceSample.of(atlas, atlas.find("relu"))
    assert sample.rows.tolist() == reference_rows(atlas).tolist()
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    monkeypatch.setattr(module, "_MIN_UNITS", 2)
    alone, given = (class_inhibition(atlas, "relu", "cat", sample=each) for each in (None, sample))
    pd.testing.assert_frame_equal(alone.units, given.units, check_exact=True)
    assert (alone.others, alone.others_in_atlas) == (given.others, given.others_in_atlas)


@pytest.mark.parametrize("row", [2, 150])
def test_a_unit_with_a_nan_response_has_no_row_and_changes_no_other(make_atlas, row):
    given = responses()
    given[row, 7] = np.nan
    atlas = make_atlas(given, labels=labels())
    found = class_inhibition(atlas, "relu", "cat")
    rest = np.delete(np.arange(9), 7)
    others = np.setdiff1d(np.delete(np.arange(200), 10), rows_of("cat"))
    expected = class_contrast(given[rows_of("cat")][:, rest].astype(float), given[others][:, rest].astype(float))
    expected["unit"] = rest[expected["unit"]]
    pd.testing.assert_frame_equal(found.units, expected, check_dtype=False, rtol=1e-6, atol=1e-12)


def test_too_few_images_are_refused(make_atlas):
    atlas = make_atlas(responses(), labels=["cat"] * 3 + ["dog"] * 197)
    with pytest.raises(UnitscopeError, match="at least 5 images of class 'cat', but there are 3"):
        class_inhibition(atlas, "relu", "cat")
    with pytest.raises(UnitscopeError, match=r"at least 5 images that are not of class 'dog', without.* are 3"):
        class_inhibition(atlas, "relu", "dog")
