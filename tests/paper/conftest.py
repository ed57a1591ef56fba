"""Tiny custom networks and a few pictures, for reports that take seconds."""

from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from tests.experiments.planted_coco import make_coco
from unitscope.experiments.run_options import RunOptions
from unitscope.paper import NetworkSpec, Sources
from unitscope.paper.networks import make_networks


class Counts:
    """Records the description and the batch sizes of each pass over images."""

    def __init__(self):
        self.batches = {}

    def __call__(self, title, images):
        return nullcontext(self.batches.setdefault(title.partition(" ")[0], []).append)


NETS = """
import torch
from torch import nn

def layers(outputs=24):
    return [nn.Conv2d(3, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, outputs, 3), nn.ReLU()]

def head(units=24):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(units, 3)]

def small():
    return nn.Sequential(*layers(), *head())

def headless():
    return nn.Sequential(*layers())

def bare():
    return nn.Sequential(nn.Conv2d(3, 24, 5, stride=2), *head())

def vgg():
    # The convolutions of VGG-16, under other names, for small images.
    torch.manual_seed(0)
    body, given = [], 3
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            body += [nn.Conv2d(given, width, 3, padding=1), nn.ReLU()]
            nn.init.kaiming_normal_(body[-2].weight)
            given = width
        body.append(nn.MaxPool2d(2))
    return nn.Sequential(nn.Sequential(*body), nn.Flatten(), nn.Linear(512, 3))

def dead():
    network = small()
    nn.init.constant_(network[2].bias, -1e4)
    return network
"""

CARD = """
factory = "nets.py:{}"
classes = ["cat", "dog", "ant"]
preprocess = {{ size = 32, mean = [0, 0, 0], std = [255, 255, 255] }}
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Cards of the networks, four pictures each of cat, dog and ant, and a class without a readable picture."""
    root = tmp_path_factory.mktemp("paper")
    (root / "nets.py").write_text(NETS)
    for name in ("small", "headless", "bare", "dead", "vgg"):
        (root / f"{name}.toml").write_text(CARD.format(name))
    (root / "random.toml").write_text(CARD.format("small") + "trained = false\n")
    draws = np.random.default_rng(5)
    for number in range(12):
        name = ("cat", "dog", "ant")[number % 3]
        coarse = Image.fromarray(draws.integers(0, 256, (5, 6, 3), np.uint8)).resize((48, 40), Image.Resampling.BICUBIC)
        (root / "pictures" / name).mkdir(parents=True, exist_ok=True)
        coarse.save(root / "pictures" / name / f"{number:02d}.png")
    (root / "pictures" / "broken").mkdir()
    (root / "pictures" / "broken" / "x.png").write_text("no picture")
    return root


@pytest.fixture(scope="session")
def coco(tmp_path_factory):
    """COCO folders with this many pictures with and without a person: ``coco(5, 2)``."""

    def make(people, plain):
        root = make_coco(tmp_path_factory.mktemp("coco") / "coco", squares=people, plain=plain)
        output = root / "annotations" / "instances_train.json"
        output.write_text(output.read_text().replace("red square", "person"))
        return root

    return make


@pytest.fixture(scope="session")
def make_case(folder, tmp_path_factory):
    """One network, scanned: ``make_case("small", coco=FOLDER, options=Running(5))``."""

    def make(name, *, coco=None, own=None, options=None):
        sources = Sources(folder / "pictures", coco, tmp_path_factory.mktemp("case"))
        given = [NetworkSpec(str(folder / f"{name}.toml"), own)]
        (case,) = make_networks(given, sources, options or RunOptions(), log=lambda text: None)
        return case

    return make
