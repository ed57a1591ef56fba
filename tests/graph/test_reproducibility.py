"""Networks whose results can't be had again are noticed: random ops, and ops over a batch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unitscope.graph import trace
from unitscope.graph.split import UnsplitGraph, split_at


class Random(nn.Module):
    """Dropout that ignores the mode; with ``branching`` it can't be exported."""

    def __init__(self, branching):
        super().__init__()
        self.conv, self.relu, self.branching = nn.Conv2d(3, 4, 3), nn.ReLU(), branching

    def forward(self, x):
        if self.branching and float(x.mean()) > 1e9:
            return x
        return F.dropout(self.relu(self.conv(x)), 0.5, training=True).mean((2, 3))


@pytest.mark.parametrize("branching", [False, True], ids=["exported", "hooked"])
def test_a_random_forward_pass_is_noted(branching):
    found = trace(Random(branching).eval(), (8, 8), name="net")
    assert any(
        "net is random: its forward pass calls" in note and "dropout" in note for note in found.notes[-2:]
    ) or any("net is random: its forward pass calls bernoulli" in note for note in found.notes)


def test_dropout_that_follows_the_mode_is_not_random():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout(0.5), nn.AvgPool2d(3)).eval()
    assert trace(module, (8, 8), name="net").notes == ()


class Attention(nn.Module):
    """Attention over the pixels, which calls an op that can drop values."""

    def __init__(self, dropped):
        super().__init__()
        self.conv, self.dropped = nn.Conv2d(3, 4, 3), dropped

    def forward(self, x):
        x = self.conv(x).flatten(2).transpose(1, 2)
        return F.scaled_dot_product_attention(x, x, x, dropout_p=self.dropped).mean(1)


@pytest.mark.parametrize("dropped", [0.0, 0.5])
def test_attention_is_random_only_if_it_drops_values(dropped):
    notes = trace(Attention(dropped).eval(), (8, 8), name="net").notes
    assert any("is random" in note for note in notes) == bool(dropped)


def without_statistics():
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6, track_running_stats=False)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    ).eval()


@torch.no_grad()
def test_a_batch_norm_without_statistics_is_a_layer_and_images_run_one_at_a_time():
    module = without_statistics()
    found = trace(module, (8, 8), name="net")
    assert [layer.name for layer in found.layers][:3] == ["0", "1", "2"]
    assert found.single_image
    assert "net computes native_batch_norm_legit over all images of a batch" in found.notes[0]
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    responses = found.tapped(responses=[found.layers.find("2")])(image)[1]
    torch.testing.assert_close(responses, module[:3](image).mean((2, 3)))


@torch.no_grad()
def test_variants_of_such_a_network_run_one_by_one():
    module = without_statistics()
    found = trace(module, (8, 8), name="net")
    split = split_at(found, found.layers.find("2"))
    assert isinstance(split, UnsplitGraph)
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    removed = torch.eye(6, dtype=torch.bool)[:, None]
    logits = split.suffix(split.prefix(image).live, removed, torch.zeros(6))
    for unit in range(6):
        kept = module[:3](image) * (torch.arange(6) != unit)[None, :, None, None]
        torch.testing.assert_close(logits[unit], module[3:](kept))


@pytest.mark.parametrize("norm", [nn.InstanceNorm2d(6), nn.GroupNorm(2, 6), nn.BatchNorm2d(6)])
def test_other_norms_run_in_batches(norm):
    found = trace(nn.Sequential(nn.Conv2d(3, 6, 3), norm, nn.ReLU(), nn.AvgPool2d(3)).eval(), (8, 8), name="net")
    assert not found.single_image
    assert found.notes == ()


class Centred(nn.Module):
    """Subtracts the mean over the batch."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU()

    def forward(self, x):
        x = self.conv(x)
        return self.relu(x - x.mean(0, keepdim=True)).mean((2, 3))


def test_a_mean_over_the_batch_is_noticed():
    found = trace(Centred().eval(), (8, 8), name="net")
    assert found.single_image
    assert "net computes mean over all images of a batch" in found.notes[0]


class Squeezed(nn.Module):
    """Squeezes all axes of size 1, which drops the axis of images if there is one image."""

    def __init__(self):
        super().__init__()
        self.body, self.fc1 = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)), nn.Linear(5, 6)
        self.act, self.fc = nn.ReLU(), nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(self.act(self.fc1(self.body(x).squeeze())))


@torch.no_grad()
def test_a_squeeze_keeps_the_axis_of_a_single_image():
    module = Squeezed().eval()
    found = trace(module, (8, 8), name="net")
    assert [layer.name for layer in found.layers] == ["body.0", "body.1", "body.2", "fc1", "act", "fc"]
    assert not found.fallback_reason
    images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    together = found.tapped(responses=[found.layers.find("body.1")])(images)[0]
    torch.testing.assert_close(together, module(images))
    alone = found.tapped(responses=[found.layers.find("body.1")])(images[:1])[0]
    torch.testing.assert_close(alone, together[:1])


class EarlyExit(nn.Module):
    """Bright images leave early; only dark ones call ``deep``, and none calls ``unused``."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.deep = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1)
        self.unused = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        early = self.relu(self.conv(x))
        if x.mean() > -100:
            return early.mean((2, 3))
        return self.deep(early).mean((2, 3))


def test_a_branch_that_only_some_images_take_has_its_layers():
    found = trace(EarlyExit().eval(), (8, 8), name="net")
    assert [layer.name for layer in found.layers] == ["conv", "relu"]
    assert "their outputs are not [image, …]: deep, unused" in found.notes[1]
    seen = found.with_layers_of(torch.stack([torch.ones(3, 8, 8), torch.full((3, 8, 8), -200.0)]))
    assert [(layer.index, layer.name) for layer in seen.layers] == [(0, "conv"), (1, "relu"), (2, "deep")]
    assert "are not [image, …]: unused" in seen.notes[1]
