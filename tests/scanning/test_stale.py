"""An atlas is never taken for that of a network that computes something else with the same weights."""

import numpy as np
import pytest
import torch
from torch import nn

import unitscope
from tests.scanning.conftest import PHI, Planted
from unitscope.errors import AtlasError, NetworkError
from unitscope.scanning.atlas_network import session_of


class Leaky(Planted):
    """The weights of `Planted` with another activation."""

    def __init__(self):
        super().__init__()
        self.relu = nn.LeakyReLU(0.3)


class Scaled(Planted):
    """The weights of `Planted` with another constant in the forward pass."""

    def forward(self, x):
        return 2 * super().forward(x)


class Branching(Planted):
    """Can't be exported."""

    limit = 1e9

    def forward(self, x):
        if float(x.mean()) > self.limit:
            return self.head(x.mean((2, 3)).repeat(1, 2))
        return super().forward(x)


class OtherBranching(Branching):
    def forward(self, x):
        return super().forward(x) + 1


def phi(mean):
    def transform(image):
        pixels = torch.from_numpy(np.array(image.resize((16, 16)))).permute(2, 0, 1)
        return pixels.float() / 255 - mean

    return transform


CHANGES = {
    "another activation": (Planted, Leaky),
    "another constant": (Planted, Scaled),
    "other code under hooks": (Branching, OtherBranching),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_forward_pass_with_the_same_weights_is_refused(change, folder, tmp_path):
    before, after = (unitscope.load(make(), preprocess=PHI) for make in CHANGES[change])
    assert before.fingerprint == after.fingerprint
    atlas = unitscope.scan(before, folder, tmp_path / "a.atlas").atlas
    with pytest.raises(AtlasError, match=r"holds an atlas of another scan: .*the network's forward pass has changed"):
        unitscope.scan(after, folder, tmp_path / "a.atlas")
    with pytest.raises(NetworkError, match="was made with another forward pass than that of"):
        unitscope.verify(atlas, network=after)
    assert unitscope.scan(before, folder, tmp_path / "a.atlas").already_existed


def test_another_function_of_the_same_name_is_refused(folder, tmp_path):
    before, after = (unitscope.load(Planted(), preprocess=phi(mean)) for mean in (0.5, 0.0))
    atlas = unitscope.scan(before, folder, tmp_path / "a.atlas").atlas
    with pytest.raises(AtlasError, match="holds an atlas of another scan: the preprocessing has changed"):
        unitscope.scan(after, folder, tmp_path / "a.atlas")
    with pytest.raises(NetworkError, match="it returns another tensor for the same image"):
        unitscope.verify(atlas, network=after)
    assert not unitscope.verify(atlas, network=unitscope.load(Planted(), preprocess=phi(0.5))).mismatches


class EarlyExit(Planted):
    """Dark images leave early, so that only photographs with light reach ``deep``."""

    def __init__(self):
        super().__init__()
        self.deep = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        early = self.relu(self.conv(x))
        if x.min() < 0 or x.max() > 1 or x.std() == 0:
            return self.head(early.mean((2, 3)))
        return self.deep(early).mean((2, 3)).repeat(1, 2)[:, :6]


def test_layers_that_only_images_of_the_scan_call_are_in_the_atlas(folder, tmp_path):
    torch.manual_seed(0)
    network = unitscope.load(EarlyExit(), preprocess=PHI)
    options = unitscope.ScanOptions(layers=("*",))
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas", options=options).atlas
    assert "deep" in [layer.name for layer in atlas.layers]
    assert np.isfinite(atlas.responses("deep")).all(1).any()
    assert "deep" in [layer.name for layer in session_of(atlas, network).layers]
    assert not unitscope.verify(atlas, network=network).mismatches
