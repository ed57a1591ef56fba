"""Which layers have the classes as units: the mean of a unit's map must be a class's logit, as recomputed here."""

import pytest
import torch
from torch import nn

from unitscope.graph import trace


class Ends(nn.Module):
    """Four maps after a ReLU, then whatever ``end`` makes of them."""

    def __init__(self, end):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.relu, self.end = nn.Conv2d(3, 4, 3), nn.ReLU(), end

    def forward(self, x):
        return self.end(self.relu(self.conv(x)))


class Mean(nn.Module):
    def forward(self, maps):
        return maps.mean((2, 3))


class RowMeans(nn.Module):
    def forward(self, maps):
        return maps.mean(3).amax(2)


ENDS = {
    "adaptive pooling": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), {"relu", "end.0"}),
    "pooling of the whole map": (nn.Sequential(nn.AvgPool2d(14), nn.Dropout(), nn.Flatten()), {"relu", "end.0"}),
    "a mean": (Mean(), {"relu"}),
    "a linear layer": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)), {"end.2"}),
    "pooling of a part of the map": (nn.Sequential(nn.AvgPool2d(13, 14), nn.Flatten()), {"end.0"}),
    "the maximum": (nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()), {"end.0"}),
    "a mean and a maximum": (RowMeans(), set()),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_layer_is_one_of_classes_if_its_mean_maps_are_the_logits(name):
    end, expected = ENDS[name]
    module = Ends(end).eval()
    traced = trace(module, (16, 16), name="tiny")
    assert set(traced.class_layers) & {"relu", "end.0", "end.2"} == expected
    images = torch.rand(3, 3, 16, 16)
    chosen = [traced.layers.find(layer) for layer in traced.class_layers]
    with torch.no_grad():
        logits, _, *maps = traced.tapped(maps=chosen)(images)
    for layer, values in zip(chosen, maps, strict=True):
        torch.testing.assert_close(values.flatten(2).mean(2) if values.ndim > 2 else values, logits, msg=layer.name)
