"""Ablation with little memory: variants and images run in halves, with the same predictions."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import unitscope
from tests.engine.test_session import SIZES, ShortOfMemory, needs_memory
from tests.scanning.conftest import PHI, folder
from unitscope.engine.session import Session
from unitscope.engine.split_runs import SplitRun
from unitscope.errors import UnitscopeError
from unitscope.experiments.inhibition import logit_changes
from unitscope.images import open_images

__all__ = ["folder"]


class ShortBefore(nn.Module):
    """Runs out of memory above a number of images, before its activation."""

    def __init__(self, fitting):
        super().__init__()
        self.fitting, self.conv, self.relu, self.head = fitting, nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.relu(self.conv(needs_memory(x, self.fitting))).mean((2, 3)))


def network(kind, fitting):
    torch.manual_seed(0)
    return unitscope.load(kind(fitting).eval(), preprocess=PHI)


def predictions(kind, fitting, folder, *, batch_size=8):
    grid = unitscope.AblationGrid(["relu"], counts=[1, 2], scopes=["image", "dataset"], orders=["low", "random"])
    options = unitscope.RunOptions(batch_size)
    found = unitscope.ablate(network(kind, fitting), folder, grid, options=options)
    return found.before, np.stack([outcome.predictions for outcome in found.outcomes])


@pytest.mark.parametrize("kind", [ShortOfMemory, ShortBefore])
@pytest.mark.parametrize("fitting", [1, 3])
def test_ablation_runs_in_halves_until_it_fits(kind, fitting, folder):
    SIZES.clear()
    before, after = predictions(kind, fitting, folder)
    assert max(SIZES) > fitting
    assert min(SIZES) <= fitting
    expected = predictions(kind, 10_000, folder)
    np.testing.assert_array_equal(before, expected[0])
    np.testing.assert_array_equal(after, expected[1])


@pytest.mark.parametrize("kind", [ShortOfMemory, ShortBefore])
def test_changes_of_logits_are_the_same_in_halves(kind, folder):
    found, expected = (
        logit_changes(short, open_images(folder), Session(short).layers.find("relu"), 1)
        for short in (network(kind, 3), network(kind, 10_000))
    )
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [ShortOfMemory, ShortBefore])
def test_perturbing_runs_in_halves_with_the_same_results(kind, folder):
    SIZES.clear()
    found, expected = (
        unitscope.perturb(network(kind, fitting), folder, [unitscope.Noise(0.2)], units=["relu:1"], top=2)
        for fitting in (3, 10_000)
    )
    assert max(SIZES) == 16
    for name, table in expected.tables().items():
        pd.testing.assert_frame_equal(found.tables()[name], table)


def test_perturbing_runs_as_many_images_at_once_as_requested(folder):
    SIZES.clear()
    options = unitscope.RunOptions(batch_size=30)
    unitscope.perturb(network(ShortOfMemory, 10_000), folder, [unitscope.Blur(1)], options=options)
    assert SIZES == [30, 30, 10, 10]


@pytest.mark.parametrize("kind", [ShortOfMemory, ShortBefore])
def test_an_image_that_does_not_fit_alone_is_an_error(kind, folder):
    with pytest.raises(UnitscopeError, match="out of memory with a single image"):
        predictions(kind, 0, folder)


def test_a_halved_batch_has_each_image_once(folder):
    session = Session(network(ShortBefore, 3))
    images = open_images(folder)
    with session.inference():
        batches = list(SplitRun(session, session.layers.find("relu"), images, 8).batches())
    assert [len(batch.activations.responses) for batch in batches] == [2] * 20
    assert np.concatenate([batch.rows for batch in batches]).tolist() == list(range(40))
