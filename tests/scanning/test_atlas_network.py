"""Functions of an atlas and a network accept only the network of the atlas."""

import pytest
import torch

import unitscope
from tests.scanning.conftest import PHI, Planted
from unitscope import AblationGrid, TopK, ablate, exemplar_sheet, image_groups, intersection, rule_sheet, verify
from unitscope.errors import NetworkError
from unitscope.scanning.atlas_network import network_of


@pytest.fixture
def atlas(network, folder, tmp_path):
    return unitscope.scan(network, folder, tmp_path / "a.atlas").atlas


ASKING = {
    "the network": network_of,
    "exemplars": lambda atlas, network: exemplar_sheet(atlas, "relu:0", network=network),
    "rules": lambda atlas, network: rule_sheet(
        atlas, intersection(image_groups(atlas, ["class:red", "class:blue"], "relu"), TopK(3)), network=network
    ),
    "files": lambda atlas, network: image_groups(atlas, [str(atlas.root / "red/00.png")], "relu", network=network),
    "verification": lambda atlas, network: verify(atlas, network=network),
    "removal": lambda atlas, network: ablate(network, atlas.root, AblationGrid(["relu"], [0.5]), atlas=atlas),
}


@pytest.mark.parametrize("asking", ASKING)
def test_a_network_with_another_preprocessing_is_refused(atlas, asking):
    other = unitscope.load(Planted(), preprocess={**PHI, "std": [51, 255, 255]})
    changed = r"\(std was \[255.0, 255.0, 255.0\], not \[51.0, 255.0, 255.0\]\)"
    message = f"a preprocessing that differs from that of Planted {changed}"
    with pytest.raises(NetworkError, match=message):
        ASKING[asking](atlas, other)


@pytest.mark.parametrize("asking", ASKING)
def test_a_network_with_other_weights_is_refused(atlas, asking):
    module = Planted()
    torch.nn.init.ones_(module.head.bias)
    with pytest.raises(NetworkError, match="was made with Planted, whose weights differ from those of Planted; give"):
        ASKING[asking](atlas, unitscope.load(module, preprocess=PHI))


@pytest.mark.parametrize("asking", ASKING)
def test_the_same_network_is_accepted(atlas, asking):
    assert ASKING[asking](atlas, unitscope.load(Planted(), preprocess=PHI)) is not None
