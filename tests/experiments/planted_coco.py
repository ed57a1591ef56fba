"""A network with a unit that a red square inhibits, and COCO folders of pictures with red squares."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import unitscope

SIDE = 32
PHI = {"size": [SIDE, SIDE], "mean": [0, 0, 0], "std": [255, 255, 255]}
CLASSES = ["red square", "plain"]
DARK, RED, GREEN, DEAD, EDGE = range(5)


class DarkOnRed(nn.Module):
    """Units: dark on red, red, green (noise here), dead, and one that is bright at the edges, where padding is.

    The first lowers the logit of the class 'red square', the second raises it.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 5, padding=2)
        self.relu = nn.ReLU()
        self.head = nn.Linear(5, 2)
        weights = torch.zeros(5, 3, 5, 5)
        weights[DARK, 0, 2, 2], weights[RED, 0, 2, 2], weights[GREEN, 1, 2, 2] = -1.5, 1, 1
        weights[EDGE, 2] = -1 / 25
        with torch.no_grad():
            self.conv.weight.copy_(weights)
            self.conv.bias.copy_(torch.tensor([1, 0, 0, -1, 0.5]))
            self.head.weight.copy_(torch.tensor([[-2, 1, 0.1, 0, -0.2], [1, -1, 0, 0, 0.2]]))
            self.head.bias.copy_(torch.tensor([0.3, -0.1]))

    def forward(self, x):
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


def dark_on_red():
    return DarkOnRed()


def planted_network():
    """The network, loaded by reference, so that its atlas can load it again."""
    return unitscope.load(f"{__file__}:dark_on_red", preprocess=PHI, classes=CLASSES)


def make_coco(root: Path, *, squares=14, plain=12) -> Path:
    """Seeded pictures with a red square near the middle, annotated by a polygon, and pictures without.

    Blue is constant, so that the edge unit responds to the edges only.
    """
    random = np.random.default_rng(11)
    (root / "train").mkdir(parents=True)
    (root / "annotations").mkdir()
    images, annotations = [], []
    for number in range(squares + plain):
        pixels = random.integers(0, 90, (48, 64, 3), np.uint8)
        pixels[..., 1] = random.integers(0, 256, (48, 64), np.uint8)
        pixels[..., 2] = 130
        if number < squares:
            top, left, side = random.integers(8, 16), random.integers(12, 26), int(random.integers(14, 24))
            pixels[top : top + side, left : left + side, 0] = 220
            right, bottom = left + side, top + side
            ring = [left, top, right, top, right, bottom, left, bottom]
            annotations.append({"image_id": number, "category_id": 7, "segmentation": [list(map(int, ring))]})
        images.append({"id": number, "file_name": f"{number:02d}.png", "width": 64, "height": 48})
        Image.fromarray(pixels).save(root / "train" / f"{number:02d}.png")
    annotations.append({"image_id": 0, "category_id": 8, "segmentation": [[1, 1, 4, 1, 4, 4, 1, 4]]})
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 7, "name": "red square"}, {"id": 8, "name": "speck"}],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))
    return root


def planted_atlas(folder: Path) -> Path:
    """An atlas of that network over such a folder."""
    options = unitscope.ScanOptions(layers=("relu", "head"))
    return unitscope.scan(planted_network(), make_coco(folder / "coco"), folder / "a.atlas", options=options).atlas.path
