"""Orders by |α|, removal among active units, and what was removed, against NumPy and a plain hook."""

import numpy as np
import pytest
import torch
from torch import nn

import unitscope
from tests.experiments.test_ablation import prepared, run
from tests.scanning.conftest import PHI, Planted
from unitscope import AblationGrid, RunOptions, ablate
from unitscope.errors import AtlasError
from unitscope.images import open_images

FRACTIONS = (0.2, 0.5, 1.0)
ORDERS = ("low", "high", "low-abs", "high-abs", "random")


class Signed(Planted):
    """The planted units, some negative, some zero for half of the images, one dead."""

    def forward(self, x):
        seen = nn.functional.relu(self.conv(x) - 0.35)
        seen = self.relu(seen)
        signs = torch.tensor([1.0, -1, 1, -1, 1, 1])[:, None, None]
        return self.head((self.tap(seen * signs)).mean((2, 3)))

    def __init__(self):
        super().__init__()
        self.tap = nn.Hardtanh(-9, 9)
        with torch.no_grad():
            self.head.weight.copy_(torch.linspace(-1, 1, 36).reshape(6, 6))


@pytest.fixture
def signed():
    classes = ["red", "green", "blue", "sum", "dead", "dark"]
    return unitscope.load(Signed(), preprocess=PHI, classes=classes)


def chosen(row, sizes, setting, image):
    """The units that a setting removes from one image, from the definition."""
    values = {"abs": sizes}.get(setting.order[-3:], row)
    units = list(range(len(row)))
    if setting.order == "random":
        seed = (setting.seed, image) if setting.scope == "image" else (setting.seed,)
        drawn = np.random.default_rng(seed).permutation(len(row))
        queue = sorted(units, key=lambda unit: drawn[unit])
    else:
        sign = 1 if setting.order.startswith("low") else -1
        queue = sorted(units, key=lambda unit: (sign * float(values[unit]), unit))
    if setting.among == "active":
        queue = [unit for unit in queue if sizes[unit] > 0]
    return queue[: int(setting.fraction * len(queue) + 0.5)]


def grid(layer, **other):
    return AblationGrid([layer], FRACTIONS, orders=ORDERS, among=["all", "active"], seeds=[3], **other)


@pytest.mark.parametrize("value", ["zero", "mean"])
def test_removed_units_predictions_and_sums_equal_numpy(signed, folder, value):
    images = open_images(folder)
    batch = prepared(signed, images)
    plain, responses = run(signed, signed.module.tap, batch)
    alpha = responses.numpy()
    mean, size = alpha.astype(np.float64).mean(0), np.abs(alpha.astype(np.float64)).mean(0)
    found = ablate(signed, images, grid("tap", value=value))
    fill = torch.from_numpy(mean).float() if value == "mean" else None
    assert (alpha == 0).any()
    assert (alpha < 0).any()
    assert len(found.outcomes) == 2 * 2 * len(ORDERS) * len(FRACTIONS)
    for outcome in found.outcomes:
        setting = outcome.setting
        mask = np.zeros(alpha.shape, bool)
        for image, row in enumerate(alpha):
            one = (row, np.abs(row)) if setting.scope == "image" else (mean, size)
            mask[image, chosen(*one, setting, image)] = True
        logits, _ = run(signed, signed.module.tap, batch, torch.from_numpy(mask), fill)
        assert outcome.predictions[:, 0].tolist() == logits.argmax(1).tolist(), setting
        assert outcome.changed == (logits.argmax(1) != plain.argmax(1)).sum()
        removed = outcome.removed
        assert removed.maps == mask.sum()
        assert removed.zero == (mask & (alpha == 0)).sum()
        total = np.abs(alpha.astype(np.float64)).sum()
        assert removed.share == pytest.approx(np.abs(alpha.astype(np.float64))[mask].sum() / total, rel=1e-6)
        if setting.among == "active" and setting.scope == "image":
            assert removed.zero == 0
        if setting.scope == "dataset":
            assert list(outcome.units) == chosen(mean, size, setting, 0)


def test_the_default_is_the_papers_removal_among_all_units_by_response(signed, folder):
    found = ablate(signed, folder, AblationGrid(["tap"], [0.5], scopes=["image"]))
    assert [(one.setting.order, one.setting.among, one.setting.count) for one in found.outcomes] == [("low", "all", 3)]


@pytest.mark.parametrize("layer", ["tap", "conv"])
def test_the_sums_do_not_depend_on_the_batch_size(signed, folder, layer):
    settings = AblationGrid([layer], [0.5], orders=["low", "high-abs"], among=["active"])
    whole, *others = (ablate(signed, folder, settings, options=RunOptions(size)) for size in (40, 7, 1))
    for other in others:
        for one, same in zip(whole.outcomes, other.outcomes, strict=True):
            assert (one.removed.maps, one.removed.zero, one.units) == (same.removed.maps, same.removed.zero, same.units)
            assert one.removed.share == pytest.approx(same.removed.share, rel=1e-5)
            assert (one.predictions == same.predictions).all()


class Cancelling(nn.Module):
    """A unit whose map is +1 and -1, so that its mean is exactly zero, and one whose map is zero."""

    def __init__(self, branch):
        super().__init__()
        self.branch, self.conv, self.act = branch, nn.Conv2d(3, 2, 1), nn.Hardtanh(-1, 1)
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        if self.branch and float(x.mean()) < -1e9:
            return self.head(x.mean((2, 3)))
        stripes = torch.ones_like(x[:, :1]).cumsum(3) % 2 * 2 - 1
        seen = self.act(torch.cat([stripes, 0 * stripes], 1) + 0 * self.conv(x))
        return self.head(seen.amax((2, 3)))


@pytest.mark.parametrize("branch", [False, True], ids=["exported", "hooked"])
def test_a_map_of_both_signs_with_a_mean_of_zero_is_not_zero_already(folder, branch):
    network = unitscope.load(Cancelling(branch).eval(), preprocess=PHI)
    found = ablate(network, folder, AblationGrid(["act"], [0.5], scopes=["image"], orders=["low", "high"]))
    for outcome in found.outcomes:
        assert (outcome.removed.maps, outcome.removed.zero, outcome.nothing_removed) == (40, 0, False)
    (both,) = ablate(network, folder, AblationGrid(["act"], [1.0], scopes=["image"])).outcomes
    assert (both.removed.maps, both.removed.zero) == (80, 40)


def test_removing_dead_units_is_reported_as_nothing(network, folder):
    found = ablate(network, folder, AblationGrid(["relu"], counts=[1], scopes=["image", "dataset"]))
    for outcome in found.outcomes:
        assert outcome.nothing_removed
        assert outcome.to_dict()["p_value"] is None
        assert outcome.to_dict()["note"] == "nothing was removed: all 40 maps were zero already"


def test_means_of_sizes_come_from_an_atlas_with_responses(signed, folder, tmp_path):
    full = unitscope.scan(signed, folder, tmp_path / "full.atlas").atlas
    wanted = AblationGrid(["tap"], FRACTIONS, scopes=["dataset"], orders=["low-abs", "low"], among=["active"])
    found, own = ablate(signed, folder, wanted, atlas=full), ablate(signed, folder, wanted)
    assert [one.units for one in found.outcomes] == [one.units for one in own.outcomes]
    bare = unitscope.scan(
        signed, folder, tmp_path / "bare.atlas", options=unitscope.ScanOptions(responses="none")
    ).atlas
    with pytest.raises(AtlasError, match=r"need the mean of .* stores no responses; leave out --atlas"):
        ablate(signed, folder, wanted, atlas=bare)
    plain = AblationGrid(["tap"], FRACTIONS, scopes=["dataset"])
    assert ablate(signed, folder, plain, atlas=bare).outcomes[0].units
