"""Functions of an atlas and a network accept only the network of the atlas."""

from dataclasses import replace

import pytest
import torch

import unitscope
from tests.scanning.conftest import PHI, Planted
from unitscope import AblationGrid, TopK, ablate, exemplar_sheet, image_groups, intersection, rule_sheet, verify
from unitscope.errors import ImageError, NetworkError
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


CODE = (
    "from pathlib import Path\n\nimport torch\nfrom torch import nn\n\n\ndef make():\n"
    "    Path(__file__).with_suffix('.ran').touch()\n    torch.manual_seed(3)\n"
    "    return nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU())\n"
)
CARD = 'factory = "net.py:make"\n[preprocess]\nsize = 16\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'


@pytest.fixture(params=["net.py:make", "net.toml"])
def of_code(request, folder, tmp_path):
    """An atlas of a network whose file runs code, and the reference of that network."""
    (tmp_path / "net.py").write_text(CODE, "utf-8")
    (tmp_path / "net.toml").write_text(CARD, "utf-8")
    reference = f"{tmp_path}/{request.param}"
    network = unitscope.load(reference, preprocess={"size": 16, "mean": [0] * 3, "std": [1] * 3})
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas").atlas
    (tmp_path / "net.ran").unlink()
    return atlas, reference


@pytest.mark.parametrize(
    "ask",
    [
        network_of,
        verify,
        lambda atlas: exemplar_sheet(atlas, "act:1:0"),
        lambda atlas: image_groups(atlas, [__file__], "act:1"),
        lambda atlas: rule_sheet(atlas, intersection(image_groups(atlas, ["class:red", "class:blue"], "1"), TopK(3))),
    ],
)
def test_code_that_only_an_atlas_names_is_not_run(of_code, ask, tmp_path):
    atlas, reference = of_code
    with pytest.raises(NetworkError, match=rf"names a file that can run code; .* give it with --network '{reference}'"):
        ask(atlas)
    assert not (tmp_path / "net.ran").exists()


def test_a_reference_from_the_user_is_loaded_with_the_options_of_the_scan(of_code, tmp_path):
    atlas, reference = of_code
    assert network_of(atlas, reference).preprocessing.to_dict() == atlas.manifest.preprocessing
    assert (tmp_path / "net.ran").exists()
    assert verify(atlas, network=reference).mismatches == ()


def test_a_reference_of_other_weights_is_refused(of_code, tmp_path):
    atlas, reference = of_code
    (tmp_path / "net.py").write_text(CODE.replace("seed(3)", "seed(4)"), "utf-8")
    with pytest.raises(NetworkError, match="whose weights differ from those of"):
        verify(atlas, network=reference)


def test_a_card_without_code_is_loaded(folder, tmp_path):
    (tmp_path / "net.toml").write_text('network = "torchvision:squeezenet1_1"\nweights = "none"\n', "utf-8")
    network = unitscope.load(f"{tmp_path}/net.toml")
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas").atlas
    assert network_of(atlas).fingerprint == network.fingerprint


@pytest.fixture
def linked(network, folder, tmp_path):
    """An atlas of a folder with one image that is a link out of it."""
    outside = tmp_path / "elsewhere.png"
    (folder / "red/00.png").rename(outside)
    (folder / "red/00.png").symlink_to(outside)
    return unitscope.scan(network, folder, tmp_path / "linked.atlas").atlas


def test_links_out_of_the_folder_that_an_atlas_names_are_not_followed(linked):
    row = linked.image_number("red/00.png")
    with linked.source().open(row) as file:
        content = file.read()
    opened = unitscope.open_atlas(linked.path)
    with pytest.raises(ImageError, match=r"'red/00.png' is a link out of the folder .* give --image-root"):
        opened.source().open(row)
    with opened.source(linked.root).open(row) as file:
        assert file.read() == content


def test_links_are_followed_if_the_user_names_the_folder(linked, network):
    opened = unitscope.open_atlas(linked.path)
    sheet = exemplar_sheet(opened, "relu:0", network=network, image_root=linked.root)
    whole = exemplar_sheet(linked, "relu:0", network=network)
    assert [one.image for one in sheet.exemplars] == [one.image for one in whole.exemplars]
    assert all(one.picture is not None for one in sheet.exemplars)
    assert not verify(opened, network=network, image_root=linked.root).mismatches


def test_a_card_in_an_odd_place_runs_no_code(folder, tmp_path, monkeypatch, network):
    """The loader and the check of an atlas must mean the same file."""
    monkeypatch.chdir(tmp_path)
    atlas = unitscope.scan(network, folder, tmp_path / "a.atlas").atlas
    (tmp_path / "net.py").write_text(CODE, "utf-8")
    (tmp_path / "card.toml:z").write_text(CARD, "utf-8")
    (tmp_path / "net.py:make").mkdir()
    (tmp_path / "net.py:make" / "card.toml").write_text('factory = ""\n', "utf-8")
    for reference in ("card.toml:z", "net.py:make/card.toml", "gone.toml"):
        manifest = replace(atlas.manifest, network={**atlas.manifest.network, "source": {"network": reference}})
        with pytest.raises(NetworkError, match="names a file that can run code"):
            network_of(replace(atlas, manifest=manifest))
    assert not (tmp_path / "net.ran").exists()
    for reference, message in (
        ("card.toml:z", "is not the name of a card"),
        ("net.py:make/card.toml", "an empty fact"),
    ):
        with pytest.raises(NetworkError, match=message):
            unitscope.load(reference)
