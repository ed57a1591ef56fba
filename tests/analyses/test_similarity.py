"""Cosines, pairs, neighbours and CKA against plain loops written from the definitions, and known vectors."""

import tracemalloc
from itertools import permutations, product

import numpy as np
import pytest

from unitscope.analyses.cka import _shuffled, _unit_grams, cka, linear_cka
from unitscope.analyses.cosines import clustered_order, cosines, tree
from unitscope.analyses.image_groups import ImageGroup, image_group
from unitscope.analyses.nearest_images import cosines_with, nearest_images
from unitscope.analyses.similarity import similarity
from unitscope.analyses.similarity_by_layer import similarity_by_layer
from unitscope.errors import ImageError, UnitscopeError
from unitscope.units import Layer

UNITS = 7
LAYER = Layer(3, "relu_2", "activation", UNITS, (UNITS, 4, 4))


def group(name, responses, *, images=None, layer=LAYER):
    rows = np.atleast_2d(np.asarray(responses, np.float32))
    return ImageGroup(name, layer, tuple(images or (f"{name}/{n}" for n in range(len(rows)))), rows)


def sparse(*shape, seed):
    """Seeded responses, about half of them zero."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return np.where(values > 0, values, 0).astype(np.float32) + np.eye(*shape, dtype=np.float32)


def plain_cosine(one, other):
    """The definition, as a loop over units."""
    product_, one_squared, other_squared = 0.0, 0.0, 0.0
    for x, y in zip(one.tolist(), other.tolist(), strict=True):
        product_ += x * y
        one_squared += x * x
        other_squared += y * y
    length = one_squared**0.5 * other_squared**0.5
    return product_ / length if length > 0 else np.nan


def plain_mean(rows):
    return np.array([sum(float(value) for value in unit) / len(unit) for unit in rows.T])


def plain_pairs(one, other):
    """The cosines of all pairs of different images; within one group each pair once."""
    places = list(product(range(len(one.images)), range(len(other.images))))
    if one is other:
        places = [(a, b) for a, b in places if a < b]
    found = [plain_cosine(one.responses[a], other.responses[b]) for a, b in places if one.images[a] != other.images[b]]
    return [cosine for cosine in found if not np.isnan(cosine)]


def plain_cka(one, other):
    """Debiased CKA with the estimator HSIC₁ of Song et al. (2012), equation 4, term by term."""
    count = len(one)
    k, l_ = (values.astype(float) @ values.astype(float).T for values in (one, other))
    k, l_ = k - np.diag(np.diag(k)), l_ - np.diag(np.diag(l_))
    ones = np.ones(count)

    def hsic(a, b):
        all_pairs = (ones @ a @ ones) * (ones @ b @ ones) / ((count - 1) * (count - 2))
        return (np.trace(a @ b) + all_pairs - 2 * (ones @ a @ b @ ones) / (count - 2)) / (count * (count - 3))

    return hsic(k, l_) / np.sqrt(hsic(k, k) * hsic(l_, l_))


def plain_biased_cka(one, other):
    """Kornblith et al. (2019), equations 3 and 4 with centring matrices H, sum by sum."""
    count = len(one)
    centring = np.eye(count) - np.ones((count, count)) / count
    k = centring @ one.astype(float) @ one.astype(float).T @ centring
    l_ = centring @ other.astype(float) @ other.astype(float).T @ centring

    def hsic(a, b):
        return sum(a[i, j] * b[i, j] for i, j in product(range(count), repeat=2)) / (count - 1) ** 2

    return hsic(k, l_) / np.sqrt(hsic(k, k) * hsic(l_, l_))


@pytest.mark.parametrize("seed", range(4))
def test_the_matrix_holds_cosines_of_mean_responses(seed):
    given = [group(f"s{n}", sparse(size, UNITS, seed=[seed, n])) for n, size in enumerate((1, 4, 1, 9))]
    found = similarity(given)
    expected = [[plain_cosine(plain_mean(a.responses), plain_mean(b.responses)) for b in given] for a in given]
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    np.testing.assert_array_equal(np.diag(found.matrix), 1)
    assert found.layer == LAYER
    assert found.labels == ("s0", "s1", "s2", "s3")
    assert found.images == (1, 4, 1, 9)


@pytest.mark.parametrize("sizes", [(1, 1, 3), (5, 2, 4), (30, 3, 25)], ids=str)
def test_pairs_have_mean_spread_and_number_of_single_cosines(sizes):
    given = [group(f"s{n}", sparse(size, UNITS, seed=[n, size])) for n, size in enumerate(sizes)]
    pairs = similarity(given).pairs
    for (row, one), (column, other) in product(enumerate(given), repeat=2):
        cosines_of_pairs = plain_pairs(one, other)
        assert pairs.count[row, column] == len(cosines_of_pairs)
        mean = np.mean(cosines_of_pairs) if cosines_of_pairs else np.nan
        std = np.std(cosines_of_pairs) if len(cosines_of_pairs) > 1 else np.nan  # a single pair has no spread
        np.testing.assert_allclose(pairs.mean[row, column], mean, rtol=1e-12)
        np.testing.assert_allclose(pairs.std[row, column], std, rtol=1e-9, atol=1e-14)


def test_an_image_in_two_groups_is_not_paired_with_itself():
    responses = sparse(5, UNITS, seed=1)
    both = group("all", responses, images="abcde")
    some = group("some", responses[1:3], images="bc")
    found = similarity([both, some]).pairs
    expected = plain_pairs(both, some)
    assert found.count.tolist() == [[10, 8], [8, 1]]
    assert len(expected) == 8
    assert found.mean[0, 1] == pytest.approx(np.mean(expected), rel=1e-12)
    assert found.std[0, 1] == pytest.approx(np.std(expected), rel=1e-9)


def test_images_without_responses_are_in_no_pair():
    responses = sparse(6, UNITS, seed=2)
    responses[[1, 4]] = 0
    one, other = group("one", responses), group("other", sparse(3, UNITS, seed=3))
    found = similarity([one, other]).pairs
    assert found.count.tolist() == [[6, 12], [12, 3]]
    assert found.mean[0, 1] == pytest.approx(np.mean(plain_pairs(one, other)), rel=1e-12)


def test_proportional_images_have_cosine_1_and_pairs_without_spread():
    strong = group("strong", 1e19 * np.tile(np.arange(UNITS), (20, 1)))
    weak = group("weak", 1e-19 * np.tile(np.arange(UNITS), (3, 1)))
    found = similarity([strong, weak])
    np.testing.assert_allclose(found.matrix, 1, rtol=1e-12)
    np.testing.assert_allclose(found.pairs.mean, 1, rtol=1e-12)
    np.testing.assert_allclose(found.pairs.std, 0, atol=1e-7)


def test_orthogonal_opposite_and_all_zero_images_have_cosine_0_minus_1_and_nan():
    first, second = np.eye(2, UNITS)
    matrix = similarity([group(str(n), each) for n, each in enumerate((first, second, -first, 0 * first))]).matrix
    nan = np.nan
    np.testing.assert_array_equal(matrix, [[1, 0, -1, nan], [0, 1, 0, nan], [-1, 0, 1, nan], [nan] * 4])


def test_single_images_have_no_pairs():
    assert similarity([group("a", np.eye(1, UNITS)), group("b", np.ones(UNITS))]).pairs is None


def test_a_response_that_is_not_finite_has_no_cosine():
    broken = np.ones((2, UNITS))
    broken[:, 3] = np.nan, np.inf
    matrix = cosines(np.vstack([broken, np.ones(UNITS)]))
    assert np.isnan(matrix[:2]).all()
    assert matrix[2, 2] == 1


def test_reordering_moves_the_matrix_and_pairs_consistently():
    given = [group(f"s{n}", sparse(n + 1, UNITS, seed=n)) for n in range(4)]
    order = np.array([2, 0, 3, 1])
    moved, expected = similarity(given).ordered(order), similarity([given[n] for n in order])
    assert (moved.labels, moved.images) == (expected.labels, expected.images)
    np.testing.assert_allclose(moved.matrix, expected.matrix, rtol=1e-12)
    np.testing.assert_array_equal(moved.pairs.count, expected.pairs.count)
    np.testing.assert_allclose(moved.pairs.mean, expected.pairs.mean, rtol=1e-12)
    np.testing.assert_allclose(moved.pairs.std, expected.pairs.std, rtol=1e-9)


def test_clustering_puts_known_groups_side_by_side():
    groups = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    vectors = np.eye(3, UNITS)[groups] + 0.1 * np.random.default_rng(0).random((9, UNITS))
    found = groups[clustered_order(cosines(vectors))]
    assert np.count_nonzero(np.diff(found)) == 2
    np.testing.assert_array_equal(np.sort(clustered_order(cosines(vectors))), np.arange(9))


def test_a_tree_joins_the_two_most_similar_first_at_one_minus_their_cosine():
    matrix = cosines(sparse(8, UNITS, seed=5))
    off = np.where(np.eye(8, dtype=bool), -1, matrix)
    first = tree(matrix)[0]
    assert off[int(first[0]), int(first[1])] == off.max()
    assert first[2] == pytest.approx(1 - off.max(), abs=1e-12)
    np.testing.assert_array_equal(tree(matrix), similarity([group("a", r) for r in sparse(8, UNITS, seed=5)]).tree)


def test_the_tree_of_a_single_group_has_no_joins():
    assert similarity([group("alone", sparse(3, UNITS, seed=1))]).tree.shape == (0, 4)


def test_a_group_without_a_cosine_is_joined_last_and_one_group_is_in_order():
    vectors = np.vstack([np.zeros(UNITS), sparse(4, UNITS, seed=6)])
    order = clustered_order(cosines(vectors)).tolist()
    assert order.index(0) in (0, 4)
    assert clustered_order([[1.0]]).tolist() == [0]


def test_curves_hold_the_matrix_of_each_layer():
    layers = [Layer(n, f"relu_{n}", "activation", n + 2, (n + 2, 1, 1)) for n in range(3)]
    at = [
        [group(name, sparse(2, n + 2, seed=[n, i]), layer=each) for i, name in enumerate("ab")]
        for n, each in enumerate(layers)
    ]
    found = similarity_by_layer(iter(at))
    assert found.layers == tuple(layers)
    assert found.labels == ("a", "b")
    np.testing.assert_array_equal(found.matrices, [similarity(groups).matrix for groups in at])


def test_groups_that_cannot_be_compared_are_refused():
    with pytest.raises(UnitscopeError, match="there are no images to compare"):
        similarity([])
    with pytest.raises(UnitscopeError, match="there is no layer at which to compare images"):
        similarity_by_layer([])
    other = Layer(4, "relu_3", "activation", UNITS, (UNITS, 4, 4))
    with pytest.raises(UnitscopeError, match=r"images at different layers can't be compared \(relu_2, relu_3\)"):
        similarity([group("a", np.ones(UNITS)), group("b", np.ones(UNITS), layer=other)])


@pytest.fixture
def planted(make_atlas):
    """Twenty images in shards of 6: 3, 9 and 17 are identical, 5 is all zero, 11 could not be read."""
    responses = sparse(20, 12, seed=9)
    responses[9] = 2 * responses[3]
    responses[17] = responses[3] / 4
    responses[5] = 0
    responses[11] = np.nan
    labels = [("cat", "dog")[number % 2] for number in range(20)]
    return make_atlas(responses, layers={"shallow": 5, "deep": UNITS}, labels=labels, shard_size=6)


def plain_nearest(atlas, given, count):
    rows = atlas.responses(given.layer)
    found = []
    for number, name in enumerate(atlas.images["image"]):
        cosine = plain_cosine(plain_mean(given.responses), rows[number])
        if name not in given.images and not np.isnan(cosine):
            found.append((-round(cosine, 9), number, name))
    return [name for _, _, name in sorted(found)[:count]]


def nearest(atlas, one, count=9):
    found = nearest_images(atlas, [one], count)
    assert found.layer == one.layer
    return found.nearest[one.name]


@pytest.mark.parametrize("layer", ["shallow", "deep"])
@pytest.mark.parametrize("name", ["00000.png", "00003.png", "00017.png", "class:cat"])
def test_nearest_images_equal_brute_force(planted, layer, name):
    given = image_group(planted, name, layer)
    found = nearest(planted, given, 6)
    assert found["image"].tolist() == plain_nearest(planted, given, 6)
    assert found["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    for row in found.itertuples():
        other = planted.responses(layer)[planted.image_number(row.image)]
        assert row.similarity == pytest.approx(plain_cosine(plain_mean(given.responses), other), abs=1e-11)
        assert row.label == ("cat", "dog")[int(row.image[:5]) % 2]


def test_identical_images_are_nearest_with_cosine_1_in_the_order_of_the_atlas(planted):
    found = nearest(planted, image_group(planted, "00009.png", "deep"), 3)
    assert found["image"].tolist()[:2] == ["00003.png", "00017.png"]
    assert found["similarity"].tolist()[:2] == [1, 1]
    assert found["similarity"][2] < 1


def test_images_without_a_cosine_are_never_neighbours(planted):
    found = nearest(planted, image_group(planted, "00000.png", "deep"), 99)
    assert len(found) == 17
    assert not {"00000.png", "00005.png", "00011.png"} & set(found["image"])


def test_an_image_outside_the_atlas_finds_its_copy_in_it(planted):
    double = group("holiday.jpg", 3 * planted.responses("deep")[7], layer=planted.find("deep"), images=["holiday.jpg"])
    found = nearest(planted, double, 1)
    assert found["image"].tolist() == ["00007.png"]
    np.testing.assert_allclose(cosines_with(planted, double)[7], 1, rtol=1e-9)


def test_an_all_zero_image_has_no_neighbours_and_a_count_below_1_is_refused(planted):
    with pytest.raises(UnitscopeError, match=r"'00005.png' has no similar images at layer 'deep'"):
        nearest(planted, image_group(planted, "00005.png", "deep"))
    with pytest.raises(UnitscopeError, match="must be at least 1, not 0"):
        nearest(planted, image_group(planted, "00000.png", "deep"), 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("debiased", "plain"), [(True, plain_cka), (False, plain_biased_cka)])
def test_linear_cka_equals_the_definition(seed, debiased, plain):
    layers = [sparse(11, units, seed=[seed, units]) + np.float32(3) for units in (2, 5, 30)]
    found = linear_cka(layers, 3, debiased=debiased)
    expected = [[plain(one, other) for other in layers] for one in layers]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1)


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_ignores_rotation_scale_and_shift_and_is_nan_for_a_constant_layer(debiased):
    rng = np.random.default_rng(4)
    one = rng.standard_normal((9, 6))
    turned = (one @ np.linalg.qr(rng.standard_normal((6, 6)))[0] * 40 + 7).astype(np.float32)
    found = linear_cka([one.astype(np.float32), turned, np.full((9, 3), 0.1, np.float32)], 3, debiased=debiased)
    assert found[0, 1] == pytest.approx(1, abs=1e-6)
    assert np.isnan(found[2]).all()


def test_images_that_are_all_equally_far_from_each_other_have_no_debiased_cka():
    apart = np.eye(9, dtype=np.float32) * np.float32(0.1)
    other = np.random.default_rng(0).standard_normal((9, 5)).astype(np.float32)
    assert np.isnan(linear_cka([apart, other], 2)[0]).all()
    assert np.isfinite(linear_cka([apart, other], 2, debiased=False)).all()


def test_independent_layers_have_a_debiased_cka_of_zero_on_average_and_a_biased_one_near_1():
    noise = [np.random.default_rng(seed).standard_normal((60, 512)).astype(np.float32) for seed in range(12)]
    pairs = np.triu_indices(12, 1)
    debiased, biased = linear_cka(noise, 12)[pairs], linear_cka(noise, 12, debiased=False)[pairs]
    assert abs(debiased.mean()) < 3 * debiased.std() / np.sqrt(len(debiased))
    assert biased.min() > 0.88


def test_shuffles_of_the_images_have_a_mean_of_zero_and_a_known_variance():
    """Over all permutations the variance of a debiased CKA is 2 / (n(n - 3)), whatever the responses are."""
    one, other = (sparse(6, units, seed=units) for units in (4, 7))
    every = [linear_cka([one, other[list(order)]], 2)[0, 1] for order in permutations(range(6))]
    assert np.mean(every) == pytest.approx(0, abs=1e-12)
    assert np.var(every) == pytest.approx(2 / (6 * 3), rel=1e-10)


def test_peak_memory_is_half_a_gram_matrix_for_each_layer():
    layers, images = 60, 150
    half = 8 * images * (images + 1) // 2
    tracemalloc.start()
    linear_cka((sparse(images, 4, seed=seed) for seed in range(layers)), layers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * layers * half


def test_layers_are_compared_over_the_readable_images(planted):
    found = cka(planted)
    readable = [n for n in range(20) if n != 11]
    shallow, deep = (planted.responses(layer)[readable] for layer in ("shallow", "deep"))
    assert found.images == 19
    assert [layer.name for layer in found.layers] == ["shallow", "deep"]
    assert found.matrix[0, 1] == pytest.approx(plain_cka(shallow, deep), rel=1e-10)


def test_many_images_are_sampled_evenly_and_images_can_be_given(planted):
    few = cka(planted, max_images=5)
    rows = np.array([n for n in range(20) if n != 11])[np.arange(5) * 19 // 5]
    assert few.images == 5
    expected = plain_cka(*(planted.responses(layer)[rows] for layer in ("shallow", "deep")))
    assert few.matrix[0, 1] == pytest.approx(expected, rel=1e-10)
    named = cka(planted, ["class:cat", "00002.png", "00003.png"])
    expected = plain_cka(*(planted.responses(layer)[[*range(0, 20, 2), 3]] for layer in ("shallow", "deep")))
    assert named.images == 11
    assert named.matrix[0, 1] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("debiased", "plain"), [(True, plain_cka), (False, plain_biased_cka)])
def test_beside_each_cka_is_the_greatest_one_of_19_shuffles(planted, debiased, plain):
    found, rng = cka(planted, debiased=debiased), np.random.default_rng(0)
    readable = np.array([n for n in range(20) if n != 11])
    orders = [rng.permutation(19) for _ in range(19)]
    layers = [planted.responses(layer)[readable] for layer in ("shallow", "deep")]
    for a, b in ((0, 0), (0, 1), (1, 1)):
        expected = max(plain(layers[a], layers[b][order]) for order in orders)
        assert found.shuffled[a, b] == found.shuffled[b, a] == pytest.approx(expected, rel=1e-9)
    assert found.debiased is debiased


@pytest.mark.parametrize("debiased", [True, False])
def test_independent_layers_exceed_their_shuffles_in_1_of_20_cases(debiased):
    """The null distribution of the level: 600 pairs of layers that have nothing in common."""
    rng = np.random.default_rng(1)
    layers = rng.exponential(size=(50, 12, 8)) * (rng.random((50, 12, 8)) < 0.5)
    grams = _unit_grams(iter(layers.astype(np.float32)), 50, debiased=debiased)
    pairs = np.triu_indices(50, 1)
    above = ((grams.T @ grams) > _shuffled(grams, 12, debiased=debiased))[pairs]
    assert 0.02 < above.mean() < 0.08


def test_layers_are_not_compared_over_three_images_or_unknown_ones(planted):
    with pytest.raises(UnitscopeError, match="at least 4 images that can be read, not 3"):
        cka(planted, ["00001.png", "00002.png", "00003.png", "00011.png"])
    with pytest.raises(ImageError, match=r"no image '00001.jpg'.*closest: '00001.png'"):
        cka(planted, ["00001.jpg"])
