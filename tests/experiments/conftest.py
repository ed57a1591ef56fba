"""The planted network of the scan tests and its seeded pictures, for experiments."""

import pytest
import torch

import unitscope
from tests.scanning.conftest import PHI, Planted, folder

__all__ = ["folder"]


@pytest.fixture
def network():
    """The planted units, and a head that predicts the strongest of three colours."""
    module = Planted()
    with torch.no_grad():
        module.head.weight[3:] *= 0.1
    return unitscope.load(module, preprocess=PHI, classes=["red", "green", "blue", "sum", "dead", "dark"])
