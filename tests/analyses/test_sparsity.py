"""Sparsity against plain loops written from the definitions, and units with known results."""

from itertools import pairwise

import numpy as np
import pytest

from unitscope.analyses.sampling import sampled_rows
from unitscope.analyses.sparsity import sparsity
from unitscope.analyses.sparsity_by_layer import sparsity_by_layer
from unitscope.analyses.sparsity_indices import gini, hoyer, treves_rolls, zero_fraction
from unitscope.errors import UnitscopeError

INDICES = {"zero_fraction": zero_fraction, "gini": gini, "hoyer": hoyer, "treves_rolls": treves_rolls}
LAYERS = {"relu": 6, "gelu": 5}
NAMES = ("cat", "dog", "cat,dog", "")


def present(values):
    return [abs(float(value)) for value in values if not np.isnan(value)]


def plain_zero_fraction(values):
    return sum(size == 0 for size in present(values)) / len(present(values))


def plain_gini(values):
    """Half the mean absolute difference of all pairs, over the mean."""
    sizes = present(values)
    differences = [abs(one - other) for one in sizes for other in sizes]
    return np.mean(differences) / (2 * np.mean(sizes)) if any(sizes) else np.nan


def plain_hoyer(values):
    sizes = present(values)
    if len(sizes) < 2 or not any(sizes):
        return np.nan
    ratio = sum(sizes) / sum(size**2 for size in sizes) ** 0.5
    return (len(sizes) ** 0.5 - ratio) / (len(sizes) ** 0.5 - 1)


def plain_treves_rolls(values):
    sizes = present(values)
    return np.mean(sizes) ** 2 / np.mean([size**2 for size in sizes]) if any(sizes) else np.nan


PLAIN = {
    "zero_fraction": plain_zero_fraction,
    "gini": plain_gini,
    "hoyer": plain_hoyer,
    "treves_rolls": plain_treves_rolls,
}


def responses(images=40, seed=0):
    """Six units after a ReLU (one dead, one constant, one active for a single image), five with both signs."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((images, 11)).astype(np.float32)
    values[:, :6] = np.maximum(values[:, :6], 0)
    values[:, 1] = 0
    values[:, 2] = 1.5
    values[:, 3] = np.eye(1, images, 7) * 4
    values[:, 7] = -np.abs(values[:, 7])
    return values


@pytest.fixture
def atlas(make_atlas):
    values = responses()
    values[11] = np.nan
    values[13, 4] = np.nan
    return make_atlas(values, layers=LAYERS, labels=[NAMES[n % 4] for n in range(40)], shard_size=16)


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("seed", range(4))
def test_an_index_equals_its_definition_along_either_axis(name, seed):
    random = np.random.default_rng(seed)
    values = random.gamma(0.3, size=(7, 9)) * random.choice([-1, 0, 1], (7, 9))
    values[2, 3] = values[4] = np.nan
    values[5] = 0
    rows = [PLAIN[name](row) if len(present(row)) else np.nan for row in values]
    columns = [PLAIN[name](column) for column in values.T]
    np.testing.assert_allclose(INDICES[name](values), rows, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(INDICES[name](values, axis=0), columns, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [2, 5, 512])
def test_a_single_active_unit_is_sparsest_and_equal_units_are_least_sparse(count):
    alone, alike = np.eye(1, count, 1)[0] * 3, np.full(count, 0.1)
    assert gini(alone) == pytest.approx(1 - 1 / count)
    assert hoyer(alone) == pytest.approx(1)
    assert treves_rolls(alone) == pytest.approx(1 / count)
    assert zero_fraction(alone) == 1 - 1 / count
    for found, expected in ((gini(alike), 0), (hoyer(alike), 0), (treves_rolls(alike), 1), (zero_fraction(alike), 0)):
        assert found == pytest.approx(expected, abs=1e-12)
        assert 0 <= found <= 1


@pytest.mark.parametrize("name", ["gini", "hoyer", "treves_rolls"])
def test_an_index_ignores_scale_sign_and_order_and_is_nan_without_responses(name):
    values = np.random.default_rng(0).gamma(0.3, size=50)
    expected = INDICES[name](values)
    assert INDICES[name](values * 1e-20) == pytest.approx(expected)
    assert INDICES[name]((values * 1e6)[::-1]) == pytest.approx(expected)
    assert INDICES[name](values * np.where(np.arange(50) % 2, 1, -1)) == pytest.approx(expected)
    for nothing in (np.zeros(5), np.full(5, np.nan), np.zeros(0)):
        assert np.isnan(INDICES[name](nothing))


def test_hoyer_of_a_single_response_is_nan():
    assert np.isnan(hoyer([3.0]))


@pytest.mark.parametrize("layer", LAYERS)
def test_sparsity_equals_plain_loops(atlas, layer):
    found, values = sparsity(atlas, layer, ["cat", "dog"]), atlas.responses(layer)
    assert found.zero_fraction == pytest.approx(plain_zero_fraction(values.ravel()))
    assert found.dead.tolist() == ([1] if layer == "relu" else [])
    rows = {"all images": range(40), "cat": range(0, 40, 2), "dog": [n for n in range(40) if n % 4 in (1, 2)]}
    for each in (found.overall, *found.classes):
        means = np.nanmean(values[list(rows[each.name])].astype(np.float64), 0)
        np.testing.assert_allclose(each.means, means, rtol=1e-12)
        assert each.images == sum(n != 11 for n in rows[each.name])
        assert {name: getattr(each, name) for name in PLAIN} == pytest.approx(
            {name: plain(means) for name, plain in PLAIN.items()}
        )
        expected = [int(((means >= low) & (means < high)).sum()) for low, high in pairwise(found.edges)]
        expected[-1] += int((means == found.edges[-1]).sum())
        assert each.histogram.tolist() == expected
        assert each.histogram.sum() == LAYERS[layer]
    assert [each.name for each in found.classes] == ["cat", "dog"]


@pytest.mark.parametrize("layer", LAYERS)
def test_lifetime_sparsity_from_moments_equals_that_from_responses(atlas, layer):
    table, values = sparsity(atlas, layer).lifetime, atlas.responses(layer)
    for name in ("treves_rolls", "hoyer"):
        expected = [PLAIN[name](column) for column in values.T]
        np.testing.assert_allclose(table[name], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(table["zero_fraction"], [plain_zero_fraction(column) for column in values.T])
    assert table["images"].tolist() == [len(present(column)) for column in values.T]
    assert table["channel"].tolist() == list(range(LAYERS[layer]))


def test_lifetime_sparsity_separates_known_units(atlas):
    table = sparsity(atlas, "relu").lifetime
    assert table.index[table["dead"]].tolist() == [1]
    assert table.index[table["treves_rolls"].isna()].tolist() == [1]
    assert table["treves_rolls"].idxmax() == 2
    assert table["treves_rolls"][2] == 1
    assert table["hoyer"].idxmax() == 3
    assert table["hoyer"][3] == pytest.approx(1)


def test_population_has_a_row_for_each_readable_image(atlas):
    table, values = sparsity(atlas, "relu").population, atlas.responses("relu")
    assert table["image"].tolist() == [f"{number:05d}.png" for number in range(40) if number != 11]
    for name, plain in PLAIN.items():
        np.testing.assert_allclose(table[name], [plain(row) for row in np.delete(values, 11, 0)], rtol=1e-12)


def test_depth_has_a_row_for_each_layer_from_summaries_alone(atlas):
    table = sparsity_by_layer(atlas).table
    assert table["layer"].tolist() == list(LAYERS)
    assert table["both_signs"].tolist() == [0, 4]
    for row in table.itertuples():
        found, values = sparsity(atlas, row.layer), atlas.responses(row.layer).astype(np.float64)
        assert (row.units, row.dead) == (LAYERS[row.layer], len(found.dead))
        assert row.zero_fraction == found.zero_fraction
        assert [row.gini, row.hoyer, row.treves_rolls] == [
            getattr(found.overall, name) for name in ("gini", "hoyer", "treves_rolls")
        ]
        one_sign = [column for column in values.T if not (np.nanmin(column) < 0 < np.nanmax(column))]
        assert row.lifetime_treves_rolls == pytest.approx(np.nanmean([plain_treves_rolls(c) for c in one_sign]))
        assert row.lifetime_hoyer == pytest.approx(np.nanmean([plain_hoyer(c) for c in one_sign]))


def test_a_large_atlas_is_sampled_and_the_number_of_images_is_reported(make_atlas):
    values = responses(3000)
    atlas = make_atlas(values, layers=LAYERS, shard_size=100)
    found = sparsity(atlas, "gelu")
    assert len(found.population) == 1024
    assert found.population.equals(sparsity(atlas, "gelu").population)
    assert not found.population.equals(sparsity(atlas, "gelu", seed=1).population)
    assert found.lifetime["images"].tolist() == [1024, 3000, 1024, 1024, 1024]
    rows = [int(name[:5]) for name in found.population["image"]]
    assert found.lifetime["treves_rolls"][0] == pytest.approx(plain_treves_rolls(values[rows, 6]))
    assert found.lifetime["treves_rolls"][1] == pytest.approx(plain_treves_rolls(values[:, 7]), rel=1e-6)
    assert found.population["gini"].mean() == pytest.approx(gini(values[:, 6:]).mean(), abs=0.02)


@pytest.mark.parametrize("images", [1, 1024, 1025, 3001, 50_000])
@pytest.mark.parametrize("shard_size", [1, 7, 64, 512, 513, 5000, 100_000])
def test_sampled_rows_are_distinct_spread_over_the_atlas_and_at_most_1024(images, shard_size):
    rows = sampled_rows(images, shard_size, seed=0)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < images
    assert min(images, 500) <= len(rows) <= 1024
    assert images <= 1024 or len(np.unique(rows // shard_size)) >= min(16, -(-images // shard_size))


def test_bins_are_the_same_for_all_and_begin_at_zero_or_below(make_atlas):
    atlas = make_atlas(responses(20), layers=LAYERS, labels=["cat", "dog"] * 10)
    found = sparsity(atlas, "gelu", ["dog"], bins=7)
    least = min(found.overall.means.min(), found.classes[0].means.min())
    assert len(found.edges) == 8
    assert found.edges[0] == least < 0
    assert sparsity(atlas, "relu").edges[0] == 0


def test_a_layer_of_dead_units_has_a_histogram_but_no_indices(make_atlas):
    found = sparsity(make_atlas(np.zeros((4, 3))), "relu", bins=4)
    assert found.zero_fraction == 1
    assert found.dead.tolist() == [0, 1, 2]
    assert found.overall.histogram.tolist() == [3, 0, 0, 0]
    assert np.isnan([found.overall.gini, found.overall.hoyer, found.overall.treves_rolls]).all()
    assert found.lifetime["treves_rolls"].isna().all()


def test_a_layer_without_any_finite_response_is_reported(make_atlas):
    values = np.ones((4, 5), np.float32)
    values[:, 3:] = np.nan
    found = sparsity(make_atlas(values, layers={"good": 3, "bad": 2}), "bad")
    assert np.isnan(found.zero_fraction)
    assert found.overall.images == 0
    assert len(found.population) == 0


@pytest.mark.parametrize(
    ("layer", "classes", "options", "message"),
    [
        ("rleu", [], {}, "no layer 'rleu'; closest: 'relu'"),
        ("untapped", [], {}, "layer 'untapped' was not tapped"),
        ("relu", ["cta"], {}, "no class 'cta' in atlas .*; closest: 'cat'"),
        ("relu", ["cow"], {}, "none of the images of class 'cow'"),
        ("relu", [], {"bins": 0}, "at least 1 bin, not 0"),
    ],
)
def test_invalid_arguments_are_refused(make_atlas, layer, classes, options, message):
    values = responses(3)
    values[2] = np.nan
    atlas = make_atlas(values, layers=LAYERS, labels=["cat", "dog", "cow"])
    with pytest.raises(UnitscopeError, match=message):
        sparsity(atlas, layer, classes, **options)


def test_without_labels_there_are_no_classes(make_atlas):
    with pytest.raises(UnitscopeError, match="have no labels"):
        sparsity(make_atlas(responses(3), layers=LAYERS), "relu", ["cat"])
