"""Ablation against brute force: each setting run separately, with a plain hook on the module."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import unitscope
from tests.scanning.conftest import PHI, Planted
from unitscope import AblationGrid, RunOptions, ablate
from unitscope.engine import split_runs as halfway
from unitscope.errors import ImageError, LayerError, NetworkError, UnitscopeError
from unitscope.images import decode, open_images

SHARED = Path(__file__).parents[2].parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared, with real images and weights, is not here")
FRACTIONS = (0.1, 0.2, 0.5, 0.8)


def prepared(network, images):
    return network.preprocessing.normalize(
        torch.stack([network.preprocessing.prepare(decode(images.path(row))) for row in range(len(images))])
    )


@torch.no_grad()
def run(network, submodule, batch, removed=None, fill=None):
    """Logits and responses of all images, one at a time, with units removed by a hook."""
    seen = []

    def hook(_, __, output):
        seen.append(output.mean((2, 3))[0])
        if removed is None:
            return None
        gone = removed[len(seen) - 1][None, :, None, None]
        values = torch.zeros(output.shape[1]) if fill is None else fill
        return torch.where(gone, values[None, :, None, None], output)

    handle = submodule.register_forward_hook(hook)
    logits = torch.cat([network.module(image[None]) for image in batch])
    handle.remove()
    return logits, torch.stack(seen)


def counts(logits, images, network):
    """Correct predictions, by sorting each image's logits."""
    top1 = top5 = 0
    for row, names in enumerate(images.labels):
        order = sorted(range(logits.shape[1]), key=lambda cls: (-float(logits[row, cls]), cls))
        label = names[0]
        right = network.wnids.index(label) if label in network.wnids else network.classes.index(label)
        top1 += order[0] == right
        top5 += right in order[:5]
    return top1, top5


def first_units(values, count, order):
    """The first units in an order; ties go to the lower unit."""
    sign = 1 if order == "low" else -1
    queue = sorted(range(len(values)), key=lambda unit: (sign * float(values[unit]), unit))
    return torch.tensor([unit in queue[:count] for unit in range(len(values))])


def removed_by_hand(responses, scope, order, count):
    if scope == "image":
        return torch.stack([first_units(row, count, order) for row in responses])
    return first_units(responses.double().mean(0), count, order).expand(len(responses), -1)


def agrees_with_brute_force(network, folder, address, submodule, value="zero", orders=("low", "high")):
    images = open_images(folder)
    found = ablate(network, images, AblationGrid([address], FRACTIONS, orders=orders, value=value))
    batch = prepared(network, images)
    plain, responses = run(network, submodule, batch)
    assert (found.baseline.top1_correct, found.baseline.top5_correct) == counts(plain, images, network)
    fill = responses.double().mean(0).float() if value == "mean" else None
    for outcome in found.outcomes:
        gone = outcome.setting
        assert gone.count == int(gone.fraction * responses.shape[1] + 0.5)
        removed = removed_by_hand(responses, gone.scope, gone.order, gone.count)
        listed = None if gone.scope == "image" else removed[0].nonzero()[:, 0].tolist()
        assert listed == (outcome.units and sorted(outcome.units))
        logits, _ = run(network, submodule, batch, removed, fill)
        assert (outcome.score.top1_correct, outcome.score.top5_correct) == counts(logits, images, network), gone
        changed = (logits.argmax(1) != plain.argmax(1)).sum()
        assert outcome.changed == changed
    return found


@pytest.mark.parametrize("value", ["zero", "mean"])
def test_counts_equal_brute_force_on_known_units(network, folder, value):
    found = agrees_with_brute_force(network, folder, "relu", network.module.relu, value)
    assert found.baseline.images == 40
    assert found.data == open_images(folder).fingerprint()
    assert found.baseline.top1_correct > 0


def test_of_units_with_equal_means_the_lower_is_removed_first_in_either_order(network, folder):
    with torch.no_grad():
        for values in (network.module.conv.weight, network.module.conv.bias):
            values[[1, 2, 4]] = 0
    found = ablate(network, folder, AblationGrid(["relu"], counts=[6], scopes=["dataset"], orders=["low", "high"]))
    for outcome in found.outcomes:
        assert sorted(outcome.units) == list(range(6))
        assert [unit for unit in outcome.units if unit in (1, 2, 4)] == [1, 2, 4]


@needs_shared
def test_counts_equal_brute_force_on_a_real_vgg():
    network = unitscope.load(SHARED / "models" / "vgg16_cifar10.toml")
    images = open_images(SHARED / "data" / "cifar10-test").limit(30)
    submodule = network.module.get_submodule("features.42")
    found = ablate(network, images, AblationGrid(["conv5_3"], FRACTIONS))
    batch = prepared(network, images)
    _, responses = run(network, submodule, batch)
    for outcome in found.outcomes:
        gone = outcome.setting
        removed = removed_by_hand(responses, gone.scope, gone.order, gone.count)
        logits, _ = run(network, submodule, batch, removed)
        assert (outcome.score.top1_correct, outcome.score.top5_correct) == counts(logits, images, network)


@needs_shared
def test_removing_low_units_per_image_keeps_accuracy_and_per_dataset_lowers_it():
    network = unitscope.load("package:efficientnet-lite0")
    images = open_images(SHARED / "data" / "imagenet-sample").limit(60)
    found = ablate(network, images, AblationGrid(["act:-1"], [0.5], orders=["low", "high"]))
    by_setting = {(one.setting.scope, one.setting.order): one.score.top1_correct for one in found.outcomes}
    assert by_setting["image", "low"] >= found.baseline.top1_correct - 1
    assert by_setting["dataset", "low"] < found.baseline.top1_correct
    assert by_setting["image", "high"] < 5


def answers(found):
    return np.stack([found.before, *(outcome.predictions for outcome in found.outcomes)])


def test_results_do_not_depend_on_the_batch_size_or_on_other_settings(network, folder):
    settings = AblationGrid(["relu"], FRACTIONS, orders=["low", "high", "random"], seeds=[0, 5])
    found = answers(ablate(network, folder, settings))
    assert (answers(ablate(network, folder, settings, options=RunOptions(batch_size=7))) == found).all()
    alone = ablate(network, folder, AblationGrid(["relu"], [0.5], scopes=["dataset"], orders=["random"], seeds=[5]))
    at = next(
        number
        for number, gone in enumerate(settings.settings(network_layer(network)))
        if (gone.scope, gone.seed, gone.fraction) == ("dataset", 5, 0.5)
    )
    assert (alone.outcomes[0].predictions == found[1 + at]).all()


def network_layer(network):
    from unitscope.graph import trace_of

    return trace_of(network).layers.find("relu")


def test_values_too_large_to_keep_are_recomputed_with_the_same_results(network, folder, monkeypatch):
    settings = AblationGrid(["relu"], FRACTIONS)
    kept = answers(ablate(network, folder, settings))
    monkeypatch.setattr(halfway, "KEPT_BYTES", 100)
    assert (answers(ablate(network, folder, settings)) == kept).all()


def test_means_from_an_atlas_give_the_same_results(network, folder, tmp_path):
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas").atlas
    settings = AblationGrid(["relu"], FRACTIONS, value="mean")
    found = ablate(network, folder, settings, atlas=atlas)
    assert (answers(found) == answers(ablate(network, folder, settings))).all()


class Chancy(Planted):
    """The planted units twice, with noise added to the input: no two passes give the same results."""

    def forward(self, x):
        seen = self.relu(self.conv(x + torch.rand_like(x)))
        return self.head(nn.functional.relu(seen - 0.1).mean((2, 3)))


def test_each_layer_is_compared_with_the_baseline_of_the_same_pass(folder):
    network = unitscope.load(Chancy(), preprocess=PHI, classes=["red", "green", "blue", "sum", "dead", "dark"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = ablate(network, folder, AblationGrid(["act:1", "act:2"], counts=[0], scopes=["image"]))
    first, second = found.outcomes
    assert (first.before != second.before).any()
    for outcome in (first, second):
        assert outcome.changed == 0
        assert found.class_changes(outcome).empty


def test_a_layer_given_twice_is_measured_once(network, folder):
    found = ablate(network, folder, AblationGrid(["relu", "act:-1", "conv", "act:1"], counts=[1], scopes=["image"]))
    assert [outcome.setting.layer for outcome in found.outcomes] == ["relu", "conv"]


class Map(nn.Sequential):
    """A network that is not a classifier."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 1), nn.ReLU())


class Branching(Map):
    """The same, with a step that can't be exported."""

    def forward(self, x):
        return super().forward(x) if float(x.mean()) > -1 else x


@pytest.mark.parametrize("module", [Map, Branching])
def test_a_network_without_logits_is_refused(module, folder):
    network = unitscope.load(module(), preprocess=PHI)
    with pytest.raises(
        NetworkError, match=f"{module.__name__} returns no logits .* the effect of a removal can't be measured"
    ):
        ablate(network, folder, AblationGrid(["act:1"], [0.5]))


class Counted:
    """Records the calls for each progress bar."""

    def __init__(self):
        self.bars = []

    @contextmanager
    def __call__(self, title, images):
        printed = []
        yield printed.append
        self.bars.append((title, images, printed))


def test_every_pass_over_the_images_is_counted(network, folder):
    counted = Counted()
    settings = AblationGrid(["relu", "conv"], [0.5], scopes=["dataset"], orders=["low"])
    ablate(network, folder, settings, options=RunOptions(batch_size=16, progress=counted))
    titles = ["means of relu", "removing from relu", "means of conv", "removing from conv"]
    assert counted.bars == [(title, 40, [16, 16, 8]) for title in titles]


def test_without_means_there_is_one_pass(network, folder):
    counted = Counted()
    settings = AblationGrid(["relu"], [0.5], scopes=["image"])
    ablate(network, folder, settings, options=RunOptions(limit=10, progress=counted))
    assert counted.bars == [("removing from relu", 10, [10])]


def test_without_labels_agreement_with_the_unchanged_network_is_reported(network, folder, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in folder.rglob("*.png"):
        (flat / file.name).write_bytes(file.read_bytes())
    found = ablate(network, flat, AblationGrid(["relu"], [0.0, 0.5], scopes=["image"], orders=["high"]))
    nothing, half = (outcome.to_dict() for outcome in found.outcomes)
    assert nothing["agreement"] == 1.0
    assert half["agreement"] < 1.0
    assert half["top1"] is None


def test_unreadable_images_are_skipped(network, folder):
    (folder / "red" / "broken.png").write_bytes(b"no picture")
    found = ablate(network, folder, AblationGrid(["relu"], [0.5]))
    assert (found.images, found.failed) == (40, 1)


def test_no_readable_image_is_an_error(network, tmp_path):
    for name in ("broken.png", "torn.png"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"none of the 2 files in .* could be read; the first: .*broken.png' is not"):
        ablate(network, tmp_path, AblationGrid(["relu"], [0.5]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": [1.5]}, "fraction 1.5 is not between 0 and 1"),
        ({"fractions": [-0.1]}, "fraction -0.1 is not between 0 and 1"),
        ({"counts": [-1]}, "can't remove -1 units"),
        ({}, "nothing to remove; give --fraction"),
        ({"fractions": [0.5], "scopes": ["datset"]}, "no scope 'datset'; closest: 'dataset'"),
        ({"fractions": [0.5], "orders": ["lowest"]}, "no order 'lowest'"),
        ({"fractions": [0.5], "value": "median"}, "no value 'median'"),
        ({"fractions": [0.5], "layers": []}, "no layer to remove units from"),
        ({"fractions": [0.5], "orders": ["random"], "seeds": []}, "no seed was given"),
        ({"fractions": [0.5], "orders": ["random"], "seeds": [1, -1]}, "seeds must be 0 or greater, not -1"),
        ({"fractions": [float("nan")]}, "fraction nan is not between 0 and 1"),
    ],
)
def test_invalid_settings_are_refused(options, message):
    with pytest.raises(UnitscopeError, match=message):
        AblationGrid(**{"layers": ["relu"], **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "the batch size must be at least 1, not 0"),
        ({"limit": 0}, "a limit of 0 leaves no images; give 1 or more"),
        ({"limit": -3}, "a limit of -3 leaves no images"),
    ],
)
def test_invalid_run_options_are_refused(options, message):
    with pytest.raises(UnitscopeError, match=message):
        RunOptions(**options)


def test_more_units_than_the_layer_has_are_refused(network, folder):
    with pytest.raises(LayerError, match="layer 'relu' has 6 units, so 7 can't be removed"):
        ablate(network, folder, AblationGrid(["relu"], counts=[7]))
