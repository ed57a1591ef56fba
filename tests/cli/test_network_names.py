"""Results show a network by its name: that in its card, or that of its file, never by a path."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import unitscope
from tests.cli.conftest import run_command as run
from unitscope.plugins import network_name
from unitscope.web.measurements import Measurements

CODE = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
"""
CARD = 'factory = "net.py:build"\n[preprocess]\nsize = 16\nmean = [0, 0, 0]\nstd = [255, 255, 255]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A card, its Python file, images, and an atlas."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "net.py").write_text(CODE)
    (folder / "net.toml").write_text(CARD)
    (folder / "images").mkdir()
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    run("scan", folder / "net.toml", folder / "images", "-o", folder / "atlas")
    return folder


COMMANDS = {
    "layers": ("NETWORK",),
    "structure": ("NETWORK", "IMAGE"),
    "exemplars": ("ATLAS", "act:1:3"),
    "sparsity": ("ATLAS", "--layer", "act:1"),
    "similarity": ("ATLAS", "0.png", "1.png", "--layer", "act:1"),
    "ablate": ("NETWORK", "IMAGES", "--layer", "act:1", "--fraction", "0.5", "--scope", "dataset"),
    "perturb": ("NETWORK", "IMAGES", "--noise", "0.1", "--layer", "act:1"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_results_have_the_name_of_the_file(folder, command):
    paths = {"NETWORK": "net.toml", "ATLAS": "atlas", "IMAGES": "images", "IMAGE": "images/0.png"}
    words = [folder / paths[word] if word in paths else word for word in COMMANDS[command]]
    assert run(command, *words, "--json").json["network"] == "net"


def test_an_atlas_shows_the_name_and_keeps_the_reference(folder):
    atlas = unitscope.open_atlas(folder / "atlas")
    assert "net, 6 images" in repr(atlas)
    assert ">net<" in atlas._repr_html_()
    assert str(folder / "net.toml") not in atlas._repr_html_()
    assert atlas.manifest.network["reference"] == str(folder / "net.toml")


@pytest.mark.parametrize("reference", ["net.toml", "/home/ada/net.toml"])
def test_stored_results_fit_an_atlas_by_the_name_of_the_network(folder, tmp_path, reference):
    done = run("sparsity", folder / "atlas", "--layer", "act:1", "--json").json
    (tmp_path / "sparsity.json").write_text(json.dumps({**done, "network": reference}))
    assert Measurements.read([tmp_path / "sparsity.json"], network="net", data="").tables


def test_a_card_names_its_network(folder):
    (folder / "named.toml").write_text('name = "Four kinds of skin"\n' + CARD)
    network = unitscope.load(folder / "named.toml")
    assert network.name == "Four kinds of skin"
    assert network.reference == str(folder / "named.toml")
    assert unitscope.load(str(folder / "net.py:build")).name == "net.py:build"
    run("scan", folder / "named.toml", folder / "images", "-o", folder / "named")
    assert unitscope.open_atlas(folder / "named").manifest.network_name == "Four kinds of skin"
    assert run("sparsity", folder / "named", "--layer", "act:1", "--json").json["network"] == "Four kinds of skin"


def test_stored_results_of_a_named_network_fit_by_the_card_too(folder, tmp_path):
    done = run("sparsity", folder / "atlas", "--layer", "act:1", "--json").json
    (tmp_path / "sparsity.json").write_text(json.dumps({**done, "network": "net.toml"}))
    found = {"network": "Four kinds of skin", "data": "", "reference": str(folder / "net.toml")}
    assert Measurements.read([tmp_path / "sparsity.json"], **found).tables


def test_atlases_of_earlier_versions_have_the_name_of_the_reference(folder):
    manifest = unitscope.open_atlas(folder / "atlas").manifest
    network = {key: value for key, value in manifest.network.items() if key != "name"}
    assert replace(manifest, network=network).network_name == "net"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("/home/ada/net.py:build", "net.py:build"),
        ("models/net.toml", "net"),
        ("torchvision:resnet50", "torchvision:resnet50"),
        ("timm:hf_hub/of/ada", "timm:hf_hub/of/ada"),
    ],
)
def test_only_files_lose_their_folder(reference, name):
    assert network_name(reference) == name
