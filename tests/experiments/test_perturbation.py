"""Perturbations of a network's input, against brute force and units with a known effect."""

from dataclasses import astuple

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

import unitscope
from unitscope.errors import ImageError, LayerError, NetworkError, UnitscopeError
from unitscope.experiments.corruptions import Blur, Brightness, Jpeg, Noise
from unitscope.experiments.perturbation import perturb
from unitscope.experiments.run_options import RunOptions
from unitscope.images import decode, open_images
from unitscope.inspection.perturbation import perturbed_sheet

EDGES, AVERAGE, CONSTANT, DEAD = 3, 4, 5, 6
CLASSES = ["red", "green", "blue"]
PHI = {"size": [24, 24], "mean": [0, 0, 0], "std": [255, 255, 255]}


class Planted(nn.Module):
    """Red, green and blue; a unit of single pixels' contrast; one of wide means; one constant; one dead; one random."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 7, padding=3, padding_mode="replicate")
        self.relu = nn.ReLU(inplace=True)
        self.deep = nn.Conv2d(8, 12, 3)
        self.act = nn.ReLU()
        self.head = nn.Linear(12, 3)
        random = torch.Generator().manual_seed(4)
        with torch.no_grad():
            weight = torch.zeros(8, 3, 7, 7)
            weight[range(3), range(3), 3, 3] = 1.0
            weight[EDGES, :, 3, 2:5] = torch.tensor([-1.0, 2.0, -1.0])
            weight[AVERAGE] = 1 / 147
            weight[7] = torch.randn(3, 7, 7, generator=random) / 10
            self.conv.weight.copy_(weight)
            self.conv.bias.zero_()
            self.conv.bias[CONSTANT], self.conv.bias[DEAD] = 0.5, -1.0
            self.deep.weight.copy_(torch.randn(self.deep.weight.shape, generator=random) / 8)
            self.deep.weight[:3] = 0
            self.deep.weight[range(3), range(3), 1, 1] = 1.0
            self.deep.bias.copy_(torch.randn(12, generator=random) / 8)
            self.deep.bias[:3] = 0
            self.head.weight.copy_(torch.randn(3, 12, generator=random) / 4)
            self.head.weight[:, :3] += 2 * torch.eye(3)
            self.head.bias.zero_()

    def forward(self, x):
        return self.head(self.act(self.deep(self.relu(self.conv(x)))).mean((2, 3)))


class Branching(Planted):
    """The same, with a step that can't be exported."""

    def forward(self, x):
        return super().forward(x) if float(x.mean()) > -1 else x.mean((2, 3))


@pytest.fixture(scope="module")
def network():
    return unitscope.load(Planted().eval(), preprocess=PHI, classes=CLASSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fourteen smooth pictures in folders named after the network's classes."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    for number in range(14):
        coarse = random.integers(20, 170, (4, 4, 3), np.uint8)
        coarse[..., number % 3] += 30
        (folder / CLASSES[number % 3]).mkdir(exist_ok=True)
        picture = Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC)
        picture.save(folder / CLASSES[number % 3] / f"{number:02d}.png")
    return folder


def by_definition(network, batch):
    """Logits and both layers' maps of one image, with the module itself and hooks."""
    maps = {}
    hooks = [
        getattr(network.module, name).register_forward_hook(
            lambda _, __, output, name=name: maps.__setitem__(name, output[0].detach().double().numpy().copy())
        )
        for name in ("relu", "act")
    ]
    with torch.no_grad():
        logits = network.module(batch[None])[0].numpy()
    for hook in hooks:
        hook.remove()
    return logits, maps


def noisy(prepared, sigma, seed, row):
    draws = np.random.default_rng((seed, row)).standard_normal((3, 24, 24), np.float32)
    return np.clip(prepared + 255 * np.float32(sigma) * draws, 0, 255) / 255


def brute_force(network, folder, sigma, seed):
    """For each image: clean and noisy logits and maps."""
    images = open_images(folder)
    for row in range(len(images)):
        prepared = network.preprocessing.prepare(decode(images.path(row))).numpy()
        yield (
            by_definition(network, torch.from_numpy(prepared / 255).float()),
            by_definition(network, torch.from_numpy(noisy(prepared, sigma, seed, row)).float()),
            CLASSES.index(images.labels[row][0]),
        )


def test_all_results_equal_brute_force(network, folder):
    units = [f"relu:{unit}" for unit in range(8)] + ["act:2:10"]
    result = perturb(network, folder, [Noise(0.2)], units=units, seeds=(0, 3), top=3)
    (effect,) = result.effects
    draws = [list(brute_force(network, folder, 0.2, seed)) for seed in (0, 3)]
    assert (result.images, result.failed, effect.seeds) == (14, 0, (0, 3))

    flipped = [sum(int(a[0].argmax() != b[0].argmax()) for a, b, _ in draw) for draw in draws]
    assert list(effect.flips.counts) == flipped
    assert 0 < sum(flipped) < 28
    assert list(result.top1.counts) == [sum(int(a[0].argmax() == label) for a, _, label in draws[0])]
    assert list(effect.top1.counts) == [sum(int(b[0].argmax() == label) for _, b, label in draw) for draw in draws]
    assert effect.top5.counts == (14, 14)

    for layer, found in zip(("relu", "act"), effect.layers, strict=True):
        pairs = [[(a[1][layer].mean((1, 2)), b[1][layer].mean((1, 2))) for a, b, _ in draw] for draw in draws]
        overlaps = [
            [len({*np.argsort(-a, kind="stable")[:3]} & {*np.argsort(-b, kind="stable")[:3]}) / 3 for a, b in draw]
            for draw in pairs
        ]
        assert found.overlap.value == pytest.approx(np.mean(overlaps))
        assert found.overlap.error == pytest.approx(stats.sem(np.mean(overlaps, 0)))
        assert found.overlap.spread == pytest.approx(np.std(np.mean(overlaps, 1), ddof=1))
        cosines = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in draw] for draw in pairs]
        assert found.cosine.value == pytest.approx(np.mean(cosines), rel=1e-5)
        assert found.expected_by_chance == 3 / {"relu": 8, "act": 12}[layer]

    for found in effect.units:
        maps = [[(a[1][found.layer.name], b[1][found.layer.name]) for a, b, _ in draw] for draw in draws]
        pairs = [[(a[found.unit], b[found.unit]) for a, b in draw] for draw in maps]
        changes = [np.mean([draw[row][1].mean() - draw[row][0].mean() for draw in pairs]) for row in range(14)]
        assert found.response_change.value == pytest.approx(np.mean(changes), rel=1e-4, abs=1e-7)
        assert found.response_change.error == pytest.approx(stats.sem(changes), rel=1e-3, abs=1e-7)
        if found.layer.name == "relu" and found.unit in (CONSTANT, DEAD):
            assert found.map_correlation.count == 0
            assert np.isnan(found.map_correlation.value)
            continue
        size = np.mean([np.abs(a.mean()) for a, _ in pairs[0]])
        assert found.relative_change.value == pytest.approx(np.mean(changes) / size, rel=1e-3)
        each = [[stats.pearsonr(a.ravel(), b.ravel())[0] for a, b in draw] for draw in pairs]
        assert found.map_correlation.value == pytest.approx(np.mean(each), abs=1e-5)
        assert found.map_correlation.count == 14


def test_noise_changes_fine_contrast_units_but_not_averaging_units(network, folder):
    units = [f"relu:{EDGES}", f"relu:{AVERAGE}"]
    edges, average = perturb(network, folder, [Noise(0.1)], units=units).effects[0].units
    assert edges.map_correlation.value < 0.5
    assert edges.relative_change.value > 1
    assert average.map_correlation.value > 0.95
    assert abs(average.relative_change.value) < 0.05


def test_a_blur_removes_fine_contrast_and_keeps_means(network, folder):
    units = [f"relu:{EDGES}", f"relu:{AVERAGE}"]
    edges, average = perturb(network, folder, [Blur(2)], units=units).effects[0].units
    assert edges.relative_change.value < -0.3
    assert average.map_correlation.value > 0.95
    assert abs(average.relative_change.value) < 0.05


@pytest.mark.parametrize("change", [Noise(1e-6), Noise(0), Blur(0), Brightness(1)], ids=str)
def test_very_weak_perturbations_change_nothing(network, folder, change):
    (effect,) = perturb(network, folder, [change], units=["relu:0", "act:2:1"]).effects
    assert effect.flips.value == 0
    assert effect.p_values == (1.0,)
    assert all(layer.overlap.value == 1 and layer.cosine.value > 1 - 1e-6 for layer in effect.layers)
    assert all(unit.map_correlation.value > 1 - 1e-6 for unit in effect.units)
    assert all(abs(unit.relative_change.value) < 1e-4 for unit in effect.units)


def test_results_do_not_depend_on_the_batch_size(network, folder):
    changes = [Noise(0.1), Noise(0.3), Jpeg(20)]
    whole, *parted = (
        perturb(network, folder, changes, units=["relu:3"], seeds=(0, 1), options=RunOptions(size))
        for size in (64, 1, 5)
    )
    for other in parted:
        assert whole.strongest == other.strongest
        for a, b in zip(whole.effects, other.effects, strict=True):
            assert a.flips == b.flips
            np.testing.assert_equal(*([astuple(layer.overlap) for layer in effect.layers] for effect in (a, b)))
            cosines = [[layer.cosine.value for layer in effect.layers] for effect in (a, b)]
            np.testing.assert_allclose(*cosines, rtol=1e-6)
            assert a.units[0].map_correlation.value == pytest.approx(b.units[0].map_correlation.value, abs=1e-6)


def test_only_noise_is_drawn_for_each_seed(network, folder):
    result = perturb(network, folder, [Noise(0.1), Noise(0.1), Blur(1)], seeds=(5, 6, 6))
    assert [(effect.perturbation, effect.seeds) for effect in result.effects] == [("noise", (5, 6)), ("blur", (5,))]
    assert len(result.effects[0].flips.counts) == 2


def test_layers_are_chosen_by_pattern_and_units_may_be_in_others(network, folder):
    (effect,) = perturb(network, folder, [Noise(0.1)], units=["relu:0", "act:1:0"], layers=["act"]).effects
    assert [layer.layer.name for layer in effect.layers] == ["act"]
    assert [(unit.layer.name, unit.unit) for unit in effect.units] == [("relu", 0)]


def test_a_network_traced_with_hooks_gives_the_same_results(network, folder):
    hooked = unitscope.load(Branching().eval(), preprocess=PHI, classes=CLASSES)
    words = {"units": ["relu:3", "act:2:10"], "top": 3}
    a, b = (perturb(each, folder, [Noise(0.2)], **words) for each in (network, hooked))
    assert "runs with forward hooks" in b.note
    assert a.note == ""
    assert a.effects[0].flips == b.effects[0].flips
    for one, other in zip(a.effects[0].units, b.effects[0].units, strict=True):
        assert one.map_correlation.value == pytest.approx(other.map_correlation.value, abs=1e-6)
        assert one.response_change.value == pytest.approx(other.response_change.value, rel=1e-3)
    for one, other in zip(a.effects[0].layers, b.effects[0].layers, strict=True):
        assert one.overlap.value == other.overlap.value


def test_a_network_without_classes_has_no_flips(folder):
    torch.manual_seed(0)  # with other weights all units may be dark on some pictures
    features = unitscope.load(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval(), preprocess=PHI)
    result = perturb(features, folder, [Noise(0.1)])
    assert (result.top1, result.effects[0].flips, result.effects[0].p_values) == (None, None, ())
    assert result.effects[0].layers[0].cosine.count == 14


def test_an_unreadable_file_is_counted_and_skipped(network, folder, tmp_path):
    for number, file in enumerate(sorted(folder.rglob("*.png"))[:3]):
        (tmp_path / f"{number}.png").write_bytes(file.read_bytes() if number != 1 else b"no image")
    result = perturb(network, tmp_path, [Noise(0.1)], units=["relu:0"])
    assert (result.images, result.failed) == (2, 1)
    assert sorted(result.strongest[0]) == [0, 2]
    (tmp_path / "0.png").write_bytes(b"")
    (tmp_path / "2.png").unlink()
    with pytest.raises(ImageError, match=r"none of the 2 files in .* could be read; the first: .*0.png' is an empty"):
        perturb(network, tmp_path, [Noise(0.1)])


def test_the_users_module_is_left_as_found(folder):
    module = Planted().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    perturb(unitscope.load(module, preprocess=PHI), folder, [Noise(0.1)], units=["relu:0"])
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_sheet_shows_each_units_strongest_images_clean_and_changed(network, folder):
    result = perturb(network, folder, [Noise(0.2), Jpeg(10)], units=["relu:0", "act:2:10"], seeds=(3,))
    sheet = perturbed_sheet(network, result)
    assert sheet.perturbations == (("noise", 0.2), ("jpeg", 10))
    draws = list(brute_force(network, folder, 0.2, 3))
    ids = open_images(folder).ids
    for view, rows in zip(sheet.units, result.strongest, strict=True):
        maps = [(a[1][view.layer.name][view.unit], b[1][view.layer.name][view.unit]) for a, b, _ in draws]
        expected = sorted(range(14), key=lambda row, maps=maps: -maps[row][0].mean())[:9]
        assert list(rows) == expected
        assert [image.image for image in view.images] == [ids[row] for row in expected]
        for image, row in zip(view.images, expected, strict=True):
            clean, noisy_map = maps[row]
            np.testing.assert_allclose(image.clean.map, clean, atol=1e-5)
            np.testing.assert_allclose(image.changed[0].map, noisy_map, atol=1e-5)
            assert image.changed[0].response == pytest.approx(noisy_map.mean(), abs=1e-5)
            assert image.clean.correlation == pytest.approx(1)
            expected_r = stats.pearsonr(clean.ravel(), noisy_map.ravel()).statistic
            assert image.changed[0].correlation == pytest.approx(expected_r, abs=1e-4)
            assert image.changed[1].picture.dtype == np.uint8
            assert image.changed[1].picture.shape == (24, 24, 3)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"perturbations": []}, UnitscopeError, "no perturbation was given"),
        ({"seeds": []}, UnitscopeError, "no seed was given"),
        ({"seeds": [2, -1]}, UnitscopeError, "seeds must be 0 or greater, not -1"),
        ({"top": 0}, UnitscopeError, "top must be at least 1, not 0"),
        ({"units": ["relu:8"]}, LayerError, "units 0 to 7, so there is no unit 8"),
        ({"layers": ["rely"]}, LayerError, "closest: 'relu'"),
        ({"images": "nowhere"}, ImageError, "no file or folder"),
    ],
)
def test_invalid_arguments_are_refused(network, folder, words, error, message):
    given = {"images": folder, "perturbations": [Noise(0.1)]} | words
    images, perturbations = given.pop("images"), given.pop("perturbations")
    with pytest.raises(error, match=message):
        perturb(network, images, perturbations, **given)


def test_a_preprocessing_with_an_unknown_scale_is_refused(folder):
    def phi(image):
        return torch.zeros(3, 24, 24)

    with pytest.raises(NetworkError, match=r"is a function, so the scale .* is unknown"):
        perturb(unitscope.load(Planted().eval(), preprocess=phi), folder, [Noise(0.1)])


def test_a_sheet_needs_a_unit(network, folder):
    result = perturb(network, folder, [Noise(0.1)])
    with pytest.raises(UnitscopeError, match="no units whose maps can be drawn"):
        perturbed_sheet(network, result)
