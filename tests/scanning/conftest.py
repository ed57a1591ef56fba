from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import unitscope
from unitscope.scanning import NullProgress


class StopError(Exception):
    """Raised to stop a scan on purpose."""


class Stopping(NullProgress):
    """Stops a scan after some images."""

    def __init__(self, images):
        self.left = images

    def on_batch(self, images):
        self.left -= images
        if self.left <= 0:
            raise StopError


class StopsWhileMerging(NullProgress):
    """Stops a scan when all its parts exist."""

    def on_merge(self):
        raise StopError


class Planted(nn.Module):
    """A tiny network with known units: red, green and blue means, their sum, one dead unit, one always negative."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 6)
        weights = torch.zeros(6, 3)
        weights[:3] = torch.eye(3)
        weights[3] = 1.0
        weights[4] = -1.0
        weights[5] = -1.0
        with torch.no_grad():
            self.conv.weight.copy_(weights[:, :, None, None])
            self.conv.bias.copy_(torch.tensor([0, 0, 0, 0, -1.0, 1.3]))
            self.head.weight.copy_(torch.eye(6))
            self.head.bias.zero_()

    def forward(self, x):
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


PHI = {"size": [16, 16], "mean": [0, 0, 0], "std": [255, 255, 255]}


@pytest.fixture
def network():
    classes = ["red", "green", "blue", "sum", "dead", "dark"]
    return unitscope.load(Planted(), preprocess=PHI, classes=classes)


@pytest.fixture
def folder(tmp_path):
    """Forty seeded pictures in folders named after three of the network's classes."""
    random = np.random.default_rng(3)
    for number in range(40):
        place = tmp_path / "images" / ("red", "green", "blue")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (20, 24, 3), np.uint8) // 2
        pixels[..., number % 3] = np.minimum(pixels[..., number % 3] + 40 + number, 255)
        Image.fromarray(pixels).save(place / f"{number:02d}.png")
    return tmp_path / "images"


def brute_force(network, folder: Path, ids):
    """Responses by the definition, one image at a time, with the plain module."""
    from unitscope.images import decode

    rows = []
    for name in ids:
        prepared = network.preprocessing.prepare(decode(folder / name))
        batch = network.preprocessing.normalize(prepared[None])
        with torch.no_grad():
            rows.append(torch.relu(network.module.conv(batch))[0].mean((1, 2)).numpy())
    return np.stack(rows)
