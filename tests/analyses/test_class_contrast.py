"""A class against other images: SciPy's Mann-Whitney test of each unit, and units with a known effect."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unitscope.analyses import class_contrast as module
from unitscope.analyses.class_contrast import ReferenceSample, class_inhibition, reference_rows
from unitscope.analyses.inhibition import ranked
from unitscope.errors import UnitscopeError

SEEDS = range(4)


def class_contrast(of_class, of_others):
    """The table by definition: Mann and Whitney's test of all responses ``[image, unit]`` of both kinds."""
    test = stats.mannwhitneyu(of_class, of_others, alternative="less", axis=0, method="asymptotic")
    inside, outside = (values.mean(0, dtype=np.float64) for values in (of_class, of_others))
    table = pd.DataFrame(
        {
            "unit": np.arange(of_class.shape[1]),
            "inside": inside,
            "outside": outside,
            "contrast": inside - outside,
            "effect_size": 2 * test.statistic / (len(of_class) * len(of_others)) - 1,
            "p_value": test.pvalue,
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
    of_class = np.maximum(random.normal(0.2, 1, (9, 5)), 0).astype(np.float32)
    others = np.maximum(random.normal(0.8, 1, (31, 5)), 0).astype(np.float32)
    table = contrast(of_class, others).set_index("unit").sort_index()
    for unit in range(5):
        pairs = np.sign(of_class[:, unit, None].astype(float) - others[None, :, unit])
        assert table["effect_size"][unit] == pytest.approx(pairs.mean())
        alone = stats.mannwhitneyu(of_class[:, unit], others[:, unit], alternative="less", method="asymptotic")
        assert table["p_value"][unit] == pytest.approx(alone.pvalue)
    np.testing.assert_allclose(table["p_corrected"], stats.false_discovery_control(table["p_value"]))


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
