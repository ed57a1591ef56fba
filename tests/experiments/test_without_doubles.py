"""Experiments on a device without float64, such as Apple's GPUs."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import unitscope
from unitscope import AblationGrid, RunOptions, ablate, open_images
from unitscope.experiments.inhibition import category_inhibition, logit_changes
from unitscope.graph import trace_of

from .planted_coco import make_coco, planted_network


class WithoutDoubles(TorchDispatchMode):
    """Simulates such a device: an op that returns a float64 tensor fails."""

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        output = op(*args, **(kwargs or {}))
        if any(isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64 for leaf in tree_leaves(output)):
            raise TypeError("this device has no float64")
        return output


@contextmanager
def without_doubles(title, images):
    """Wraps each pass of an experiment, in place of a progress bar."""
    with WithoutDoubles():
        yield lambda done: None


RUNNING = RunOptions(batch_size=4, progress=without_doubles)


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    return make_coco(tmp_path_factory.mktemp("coco") / "coco", squares=7, plain=6)


def test_the_simulated_device_rejects_float64():
    with WithoutDoubles(), pytest.raises(TypeError, match="no float64"):
        torch.ones(2).double()


def test_ablation_with_means_uses_no_float64(coco):
    settings = AblationGrid(["relu"], counts=[2], scopes=["image"], value="mean")
    found = ablate(planted_network(), coco, settings, options=RUNNING)
    pd.testing.assert_frame_equal(found.table(), ablate(planted_network(), coco, settings).table())


def test_logit_changes_use_no_float64(coco):
    network, images = planted_network(), open_images(coco)
    layer = trace_of(network).layers.find("relu")
    changes = logit_changes(network, images, layer, 0, options=RUNNING)
    assert changes.dtype == np.float64
    np.testing.assert_allclose(changes, logit_changes(network, images, layer, 0), atol=1e-5)


def test_category_inhibition_uses_no_float64(coco, tmp_path):
    network, options = planted_network(), unitscope.ScanOptions(layers=("relu",))
    atlas = unitscope.scan(network, coco, tmp_path / "a.atlas", options=options).atlas
    found = category_inhibition(atlas, "relu", "red square", network=network, options=RUNNING)
    assert len(found.units) == 4
