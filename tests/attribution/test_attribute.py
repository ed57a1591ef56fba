"""Attribution by name, and the contract tests for attribution methods."""

import numpy as np
import pytest
import torch

import unitscope
from tests.scanning.conftest import PHI, Planted, folder
from unitscope.images import decode
from unitscope.testing import AttributionTests

__all__ = ["folder"]


class TestGradient(AttributionTests):
    """The gradient."""

    method = "gradient"


@pytest.fixture
def network():
    return unitscope.load(Planted(), preprocess=PHI)


@pytest.mark.parametrize("target", [1, "relu:1"])
def test_the_gradient_equals_the_modules_own(network, folder, target):
    file = folder / "green" / "01.png"
    x = network.preprocessing.normalize(network.preprocessing.prepare(decode(file))[None]).requires_grad_()
    maps = network.module.relu(network.module.conv(x))
    value = network.module.head(maps.mean((2, 3)))[0, 1] if target == 1 else maps[0, 1].mean()
    (expected,) = torch.autograd.grad(value, x)
    found = unitscope.attribute(network, file, target)
    assert found.shape == (16, 16)
    assert found.max() > 0
    np.testing.assert_allclose(found, expected[0].abs().amax(0), rtol=1e-5, atol=1e-8)


def test_an_unknown_method_is_an_error_that_names_the_nearest(network, folder):
    with pytest.raises(unitscope.UnitscopeError, match=r"no attribution 'gradent'; closest: 'gradient'"):
        unitscope.attribute(network, folder / "green" / "01.png", 1, method="gradent")
