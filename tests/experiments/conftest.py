"""Experiments run on the planted network of the scans, over its seeded pictures."""

import pytest
import torch

import unitscope
from tests.scanning.conftest import PHI, Planted, folder

__all__ = ["folder"]


@pytest.fixture
def network():
    """The planted units, and a head that takes the greatest of three colours for the class."""
    module = Planted()
    with torch.no_grad():
        module.head.weight[3:] *= 0.1
    return unitscope.load(module, preprocess=PHI, classes=["red", "green", "blue", "sum", "dead", "dark"])
