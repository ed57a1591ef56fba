"""A known inhibitory unit is found by its maps and by ablation; results equal brute force."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import unitscope
from unitscope import RunOptions
from unitscope.analyses.class_contrast import class_inhibition
from unitscope.analyses.inhibition import logit_rise, map_contrast
from unitscope.analyses.paired_tests import rank_biserial, signed_rank
from unitscope.errors import AtlasError, ImageError, LayerError, NetworkError, UnitscopeError
from unitscope.experiments.category_maps import MapSource, distinct_images, image_set, pool_to_grid, warp_mask
from unitscope.experiments.inhibition import (
    category_inhibition,
    check_grid,
    find_network_class,
    inhibition_by_removal,
    inside_outside,
    logit_changes,
)
from unitscope.images import decode, open_images
from unitscope.images.coco_masks import category_masks
from unitscope.inspection.inhibition import beside_exemplars, inhibition_sheet
from unitscope.networks import Preprocessing
from unitscope.units import Layer

from .planted_coco import (
    CLASSES,
    DARK,
    DEAD,
    EDGE,
    GREEN,
    PHI,
    RED,
    DarkOnRed,
    make_coco,
    planted_atlas,
    planted_network,
)

SHARED = Path(__file__).parents[2].parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared, with real images and weights, is not here")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    return unitscope.open_atlas(planted_atlas(tmp_path_factory.mktemp("planted")))


@pytest.fixture(scope="module")
def network():
    return planted_network()


@pytest.fixture(scope="module")
def found(atlas, network):
    return category_inhibition(atlas, "relu", "Red Square", network=network)


def maps_by_hand(network, path):
    x = network.preprocessing.normalize(network.preprocessing.prepare(decode(path))[None])
    with torch.no_grad():
        return torch.relu(network.module.conv(x))[0].double().numpy()


def test_the_known_unit_ranks_first_and_edge_noise_and_dead_units_are_not_found(found):
    assert (found.concept, found.by, found.left_out) == ("red square", "map contrast", 0)
    assert len(found.images) == 14
    assert found.others == 12
    assert found.units["unit"].iloc[0] == DARK
    assert set(found.units["unit"]) == {DARK, RED, GREEN, EDGE}
    assert list(found.units["unit"][found.units["p_corrected"] < 0.05]) == [DARK]


def test_edge_units_look_inhibited_unless_position_is_controlled(found):
    edge = found.units.set_index("unit").loc[EDGE]
    assert edge["contrast"] < -0.01
    assert edge["contrast"] == pytest.approx(edge["by_place"], abs=0.004)


def test_means_equal_those_of_maps_and_masks_computed_directly(atlas, network, found):
    insides, contrasts, places = [], [], {}
    partners = {number * 14 // 12: f"train/{14 + number:02d}.png" for number in range(12)}
    for row, image in enumerate(found.images):
        maps = maps_by_hand(network, atlas.root / image)
        red = np.asarray(Image.open(atlas.root / image))[..., 0] == 220
        small = Image.fromarray(red.astype(np.uint8) * 255).convert("RGB")
        on = network.preprocessing.prepare(small)[0].numpy() / 255
        inside, outside = ((maps * on).sum((1, 2)) / on.sum() for on in (on, 1 - on))
        insides.append(inside)
        contrasts.append(inside - outside)
        if row in partners:
            other = maps_by_hand(network, atlas.root / partners[row])
            inside, outside = ((other * on).sum((1, 2)) / on.sum() for on in (on, 1 - on))
            places[row] = inside - outside
    table = found.units.set_index("unit").sort_index()
    kept = table.index
    np.testing.assert_allclose(table["inside"], np.mean(insides, 0)[kept], atol=2e-3)
    np.testing.assert_allclose(table["contrast"], np.mean(contrasts, 0)[kept], atol=2e-3)
    np.testing.assert_allclose(table["by_place"], np.mean(list(places.values()), 0)[kept], atol=2e-3)
    raw = np.array(contrasts)
    beyond = raw[list(places)] - np.array(list(places.values()))
    assert table["effect_size"][DARK] == pytest.approx(max(rank_biserial(raw)[DARK], rank_biserial(beyond)[DARK]))


@pytest.mark.parametrize("phi", [Preprocessing((10, 14)), Preprocessing(12, 8), Preprocessing(6, 10)])
def test_a_mask_is_transformed_like_its_picture(phi):
    random = np.random.default_rng(0)
    mask = (random.random((21, 30)) < 0.5).astype(np.uint8) * 255
    as_picture = phi.prepare(Image.fromarray(np.stack([mask] * 3, -1)))
    np.testing.assert_allclose(warp_mask(mask, phi), as_picture[0].numpy() / 255)


def test_cells_hold_the_share_of_their_area():
    view = np.zeros((4, 6), np.float32)
    view[:, :2] = 1
    np.testing.assert_allclose(pool_to_grid(view, 2, 4), [[1, 1 / 3, 0, 0]] * 2, atol=1e-6)


def test_images_with_too_little_inside_or_outside_are_skipped():
    maps = np.ones((2, 3, 3), np.float32)
    for covered in (0.4 / 9, 1 - 0.4 / 9):
        assert inside_outside(maps, np.full((3, 3), covered, np.float32)) is None
    parts = inside_outside(maps * 2, np.full((3, 3), 0.5, np.float32))
    np.testing.assert_allclose(parts, 2.0)


def test_limit_takes_some_of_the_images_and_as_many_others(atlas, network):
    some = category_inhibition(atlas, "relu", "red square", network=network, options=RunOptions(limit=6))
    assert len(some.images) == 6
    assert some.others == 6


def test_results_do_not_depend_on_the_batch_size(atlas, network, found):
    threes = RunOptions(batch_size=3)
    again = category_inhibition(atlas, "relu", "red square", network=network, options=threes)
    numbers = ["unit", "inside", "outside", "by_place", "effect_size", "p_value"]
    np.testing.assert_allclose(again.units[numbers], found.units[numbers], atol=1e-6)
    both = [inhibition_by_removal(atlas, found, network=network, options=how).units for how in (threes, None)]
    np.testing.assert_allclose(both[0]["logit_change"], both[1]["logit_change"], atol=1e-5)


def test_with_too_few_other_images_position_is_not_controlled(network, tmp_path):
    folder = make_coco(tmp_path / "coco", squares=8, plain=2)
    scanned = unitscope.scan(network, folder, tmp_path / "b.atlas", options=unitscope.ScanOptions(layers=("relu",)))
    found = category_inhibition(scanned.atlas, "relu", "red square", network=network)
    assert found.others == 0
    assert found.units["by_place"].isna().all()


def test_logit_changes_equal_the_module_with_a_unit_zeroed(atlas, network, found):
    images = image_set(atlas, found.images)
    changes = logit_changes(network, images, atlas.find("relu"), 0)
    for row, image in enumerate(found.images):
        means = torch.from_numpy(maps_by_hand(network, atlas.root / image).mean((1, 2))).float()
        for unit in range(5):
            zeroed = means.clone()
            zeroed[unit] = 0
            with torch.no_grad():
                change = network.module.head(zeroed)[0] - network.module.head(means)[0]
            assert changes[row, unit] == pytest.approx(float(change), abs=2e-5)
    assert (changes[:, DEAD] == 0).all()


def test_removing_the_inhibitory_unit_raises_the_logit_of_the_class(atlas, network, found):
    both = inhibition_by_removal(atlas, found, network=network)
    assert both.removal.class_name == "red square"
    assert both.removal.units["unit"].iloc[0] == DARK
    by_unit = both.removal.units.set_index("unit")
    assert by_unit["logit_change"][DARK] > 0
    assert by_unit["logit_p_corrected"][DARK] < 0.05
    assert by_unit["logit_change"][RED] < 0
    assert by_unit["logit_p_corrected"][RED] > 0.5
    beside = both.units.set_index("unit")["logit_change"]
    assert beside[DARK] == by_unit["logit_change"][DARK]
    other = inhibition_by_removal(atlas, found, class_name="plain", network=network)
    assert other.removal.units["unit"].iloc[0] == RED


def test_a_class_is_compared_with_the_other_images(atlas):
    found = class_inhibition(atlas, "relu", "red square")
    assert (found.by, len(found.images), found.others) == ("class contrast", 14, 12)
    responses = atlas.responses("relu")
    rows = [atlas.image_number(image) for image in found.images]
    dark = found.units.set_index("unit").loc[DARK]
    assert dark["inside"] == pytest.approx(responses[rows, DARK].mean(), rel=1e-6)
    assert found.units["unit"].iloc[0] == DARK


def test_the_module_is_left_as_found(tmp_path):
    module = DarkOnRed().train()
    given = unitscope.load(module, preprocess=PHI, classes=["red square", "plain"])
    changes = logit_changes(given, open_images(make_coco(tmp_path, squares=5, plain=1)), layer_of(given), 0)
    assert np.isfinite(changes).all()
    assert module.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())


def layer_of(network):
    from unitscope.graph import trace_of

    return trace_of(network).layers.find("relu")


def test_a_sheet_shows_each_unit_on_images_with_its_highest_response_beside_the_concept(atlas, network, found):
    sheet = inhibition_sheet(atlas, found, units=2, across=3, network=network)
    assert [unit.unit for unit in sheet.units] == found.units["unit"].head(2).tolist()
    every = inhibition_sheet(atlas, found, units=2, across=len(found.images), network=network)
    assert every.candidates == len(found.images)
    for shown, unit in zip(sheet.units, every.units, strict=True):
        beside = [np.average(example.map, weights=1 - example.mask) for example in unit.examples]
        np.testing.assert_allclose(beside, sorted(beside, reverse=True), rtol=1e-6)
        assert len(shown.examples) == 3
    examples = sheet.units[0].examples
    assert all(example.has_concept and example.map.shape == (32, 32) for example in examples)
    np.testing.assert_allclose(examples[0].map, maps_by_hand(network, atlas.root / examples[0].image)[DARK], atol=1e-5)


def test_a_sheet_of_a_class_shows_exemplars_of_the_others_beside_it(atlas, network):
    found = class_inhibition(atlas, "relu", "red square")
    sheet = inhibition_sheet(atlas, found, units=2, across=4, network=network)
    for unit in sheet.units:
        assert [example.has_concept for example in unit.examples] == [True, True, False, False]
    responses = atlas.responses("relu")[14:, DARK]
    assert atlas.image_number(sheet.units[0].examples[2].image) == 14 + responses.argmax()


def test_exemplars_of_the_others_need_little_memory(make_atlas):
    responses = np.random.default_rng(6).random((1500, 1000), np.float32)
    large = make_atlas(responses, labels=["cat"] * 30 + ["dog"] * 1470)
    found = class_inhibition(large, "relu", "cat")
    tracemalloc.start()
    shown = beside_exemplars(large, found, [7, 400], 4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < responses.nbytes / 2
    greatest = 30 + np.argsort(-responses[30:, [7, 400]], axis=0)[:2]
    assert [row[2:] for row in shown] == [[f"{image:05d}.png" for image in column] for column in greatest.T]


class Tokens(nn.Module):
    """A transformer without attention: register tokens, then the patches of the image."""

    def __init__(self, patch, registers):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, patch, patch)
        self.registers = nn.Parameter(torch.ones(1, registers, 6))
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.registers.expand(len(x), -1, -1), patches], 1)
        return self.head(self.relu(tokens).mean(1))


@pytest.mark.parametrize(("patch", "registers"), [((8, 8), 9), ((16, 4), 0)], ids=["registers", "oblong"])
def test_tokens_that_only_look_like_a_square_grid_are_refused(patch, registers, tmp_path):
    torch.manual_seed(0)
    given = unitscope.load(Tokens(patch, registers), preprocess=PHI, classes=CLASSES)
    options = unitscope.ScanOptions(layers=("relu",))
    scanned = unitscope.scan(given, make_coco(tmp_path / "coco"), tmp_path / "t.atlas", options=options)
    assert scanned.atlas.find("relu").shape in ((25, 6), (16, 6))
    with pytest.raises(
        LayerError, match=r"units of layer 'relu' have no position in the image: its output is .*(25|16)×6, not"
    ):
        category_inhibition(scanned.atlas, "relu", "red square", network=given)


@pytest.mark.parametrize(
    ("shape", "axis", "view"),
    [
        ((64, 7, 7), 1, (224, 224)),
        ((7, 5, 96), 3, (224, 160)),
        ((8, 1, 2), 1, (63, 64)),
    ],
)
def test_maps_of_rows_and_columns_are_a_grid(shape, axis, view):
    assert check_grid(Layer(0, "maps", "activation", shape[axis - 1], shape, axis), view) is None


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((197, 192), 2),  # tokens
        ((8, 49, 96), 3),  # an attention's heads and tokens
        ((192, 1, 196), 1),  # tokens under a convolution along them
        ((4, 7, 4, 7, 96), 5),  # windows
    ],
)
def test_other_shapes_are_no_grid(shape, axis):
    with pytest.raises(LayerError, match="units of layer 'tokens' have no position in the image"):
        check_grid(Layer(0, "tokens", "norm", shape[axis - 1], shape, axis), (224, 224))


def test_invalid_arguments_are_refused(atlas, network, tmp_path):
    ask = {"network": network}
    with pytest.raises(LayerError, match="maps of layer 'head' have a single cell"):
        category_inhibition(atlas, "head", "red square", **ask)
    with pytest.raises(ImageError, match="no category 'red squares'; closest: 'red square'"):
        category_inhibition(atlas, "relu", "red squares", **ask)
    with pytest.raises(UnitscopeError, match="at least 5 images with 'speck', but there are 1"):
        category_inhibition(atlas, "relu", "speck", **ask)
    with pytest.raises(UnitscopeError, match="at least 5 images with 'red square', but there are 3"):
        category_inhibition(atlas, "relu", "red square", options=RunOptions(limit=3), **ask)
    with pytest.raises(ImageError, match="have no segmentations"):
        category_inhibition(atlas, "relu", "red square", image_root=tmp_path, **ask)
    with pytest.raises(
        UnitscopeError, match=r"'red sqare' does not match exactly one class of .*; closest: 'red square'"
    ):
        find_network_class(network, "red sqare")
    with pytest.raises(NetworkError, match="no device 'nowhere'"):
        category_inhibition(atlas, "relu", "red square", options=RunOptions(device="nowhere"), **ask)
    with pytest.raises(NetworkError, match="no device 'nowhere'"):
        logit_changes(
            network, image_set(atlas, ["train/00.png"]), atlas.find("relu"), 0, options=RunOptions(device="nowhere")
        )
    with pytest.raises(UnitscopeError, match="but there are 3"):
        logit_rise(np.zeros((3, 2)))


def test_images_without_segmentations_are_refused(network, tmp_path):
    for number in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    scanned = unitscope.scan(network, tmp_path, tmp_path / "c.atlas", options=unitscope.ScanOptions(layers=("relu",)))
    with pytest.raises(AtlasError, match=r"\(folder\) have no segmentations of 'red square'"):
        category_inhibition(scanned.atlas, "relu", "red square", network=network)


def test_a_preprocessing_function_cannot_transform_masks(tmp_path):
    def phi(image):
        return torch.from_numpy(np.array(image.resize((32, 32)))).permute(2, 0, 1) / 255

    given = unitscope.load(DarkOnRed(), preprocess=phi)
    options = unitscope.ScanOptions(layers=("relu",))
    scanned = unitscope.scan(given, make_coco(tmp_path / "coco"), tmp_path / "d.atlas", options=options)
    with pytest.raises(NetworkError, match="is a function, so masks can't be transformed like the images"):
        category_inhibition(scanned.atlas, "relu", "red square", network=given)


@needs_shared
def test_units_found_on_people_are_dark_on_people_in_real_photographs(tmp_path):
    weights = SHARED / "models" / "squeezenet1_0-caffe.safetensors"
    squeezenet = unitscope.load("torchvision:squeezenet1_0", weights=weights, preprocess="caffe")
    layer = "features.10.expand1x1_activation"
    options = unitscope.ScanOptions(layers=(layer,))
    scanned = unitscope.scan(squeezenet, SHARED / "data/coco-sample", tmp_path / "a.atlas", options=options)
    found = category_inhibition(scanned.atlas, layer, "person", network=squeezenet, options=RunOptions(limit=30))
    assert len(found.images) + found.left_out == 30
    first = found.units.head(5)
    assert (first["p_corrected"] < 0.05).all()
    assert (first["inside"] < 0.5 * first["outside"]).all()
    assert (first["contrast"] < 2 * first["by_place"]).all()


@needs_shared
def test_outlines_of_people_on_photographs_without_people_find_no_more_units_than_chance():
    """The null distribution of the test of place, on real responses with a strong effect of place.

    Outlines are laid on photographs that have nothing to do with them; others without people are their partners. A test
    that takes the mean map of the others for exact rejects about 20% of the units here at 5%.
    """
    weights = SHARED / "models" / "squeezenet1_0-caffe.safetensors"
    session = unitscope.Session(unitscope.load("torchvision:squeezenet1_0", weights=weights, preprocess="caffe"))
    every = open_images(SHARED / "data/coco-sample")
    masks = category_masks(every, "person")
    without = every.take([row for row, image in enumerate(every.ids) if image not in masks.outlines])
    layer = session.layers.find("features.12")
    maps = [each for _, each in MapSource(session, layer, None, lambda count: None).maps(without)]
    views = (warp_mask(masks.upright_mask(image), session.network.preprocessing) for image in masks.ids)
    outlines = [grid for grid in (pool_to_grid(view, *maps[0].shape[1:]) for view in views) if 1 < grid.sum() < 100]
    rng, naive, place, both = np.random.default_rng(0), [], [], []
    for _ in range(12):
        order = rng.permutation(len(maps))
        laid = rng.choice(len(outlines), 24, replace=False)
        parts, partners = (
            np.array([inside_outside(maps[image], outlines[one]) for image, one in zip(some, laid, strict=True)])
            for some in (order[:24], order[24:48])
        )
        by_place = partners[:, 0] - partners[:, 1]
        contrast = parts[:, 0] - parts[:, 1]
        mean = np.mean([maps[image] for image in order[24:48]], 0)
        exact = np.array([np.subtract(*inside_outside(mean, outlines[one])) for one in laid])
        naive.append(signed_rank(contrast - exact, "less") <= 0.05)
        place.append(signed_rank(contrast - by_place, "less") <= 0.05)
        both.append(map_contrast(parts[:, 0], parts[:, 1], by_place)["p_value"] <= 0.05)
    assert np.mean(naive) > 0.15
    assert 0.025 < np.mean(place) < 0.06
    assert np.mean(np.concatenate(both)) < 0.05


def test_near_duplicates_among_images_with_a_category_count_once(make_atlas):
    random = np.random.default_rng(0)
    distinct = np.maximum(random.normal(0.2, 1, (20, 120)), 0)
    rows = [0, 0, 1, 2, 2, 2, *range(3, 20)]
    atlas = make_atlas(distinct[rows], layers={"first": 40, "second": 40, "third": 40})
    kept = distinct_images(atlas, [f"{row:05d}.png" for row in range(len(rows))])
    assert kept == [f"{row:05d}.png" for row in (0, 2, 3, *range(6, 23))]
