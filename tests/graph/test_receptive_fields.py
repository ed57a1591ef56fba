"""Receptive fields from the graph are those that gradients show."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unitscope.graph.receptive_fields import receptive_fields
from unitscope.graph.trace import trace

SIDE = 64


def conv(inputs, outputs, kernel, **options):
    layer = nn.Conv2d(inputs, outputs, kernel, **options)
    nn.init.uniform_(layer.weight, 0.5, 1.0)  # so that no gradient is zero by chance
    return layer


class Branches(nn.Module):
    """A residual block and two branches that are joined, behind a stem."""

    def __init__(self):
        super().__init__()
        self.stem, self.narrow, self.wide = conv(3, 4, 3, stride=2, padding=1), conv(4, 4, 1), conv(4, 4, 5, padding=2)
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(self.stem(x))
        x = self.act(torch.cat([self.narrow(x), self.wide(x)], 1))
        return self.act(x + torch.roll(x, 1, 1))


class Gated(nn.Module):
    """Squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.conv, self.gate, self.act = conv(3, 4, 3, padding=1), conv(4, 4, 1), nn.ReLU()
        nn.init.zeros_(self.gate.weight)  # fields leave out what a gate depends on

    def forward(self, x):
        x = self.act(self.conv(x))
        return self.act(x * self.gate(F.adaptive_avg_pool2d(x, 1)).sigmoid())


class ChannelsLast(nn.Module):
    """As in ConvNeXt: a linear layer and a layer norm over units on the last axis."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.linear, self.act = (
            conv(3, 4, 4, stride=4),
            nn.LayerNorm(4),
            nn.Linear(4, 8),
            nn.GELU(),
        )

    def forward(self, x):
        x = self.conv(x).permute(0, 2, 3, 1)
        return self.act(self.linear(self.norm(x))).permute(0, 3, 1, 2)


EXACT = {
    "a convolution": nn.Sequential(conv(3, 4, 3, padding=1), nn.ReLU()),
    "strides": nn.Sequential(conv(3, 4, 7, stride=2, padding=3), nn.ReLU(), conv(4, 4, 3, stride=2), nn.ReLU()),
    "dilation": nn.Sequential(conv(3, 4, 3, dilation=3, padding=3), nn.ReLU()),
    "same padding": nn.Sequential(conv(3, 4, 5, padding="same"), nn.ReLU()),
    "sides that differ": nn.Sequential(conv(3, 4, (1, 5), stride=(2, 1), padding=(0, 2)), nn.ReLU()),
    "an average pooling": nn.Sequential(conv(3, 4, 3), nn.AvgPool2d(3, 2, padding=1), nn.ReLU()),
    "explicit padding": nn.Sequential(nn.ZeroPad2d((2, 0, 1, 0)), conv(3, 4, 3, stride=2), nn.ReLU()),
    "an adaptive pooling": nn.Sequential(conv(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(8), nn.ReLU()),
    "branches": Branches(),
    "a gate": Gated(),
    "channels last": ChannelsLast(),
}
WITHIN = {
    "a maximum pooling": nn.Sequential(
        conv(3, 4, 3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(), conv(4, 4, 3), nn.ReLU()
    ),
    "a transposed convolution": nn.Sequential(
        conv(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1), nn.Sigmoid()
    ),
    "nearest upsampling": nn.Sequential(conv(3, 4, 3, stride=4), nn.Upsample(scale_factor=2), nn.ReLU()),
    "bilinear upsampling": nn.Sequential(
        conv(3, 4, 3, stride=4), nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU()
    ),
    "uneven adaptive pooling": nn.Sequential(conv(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(7), nn.ReLU()),
}


def fields_of(module):
    found = trace(module.eval(), (SIDE, SIDE), name="a network")
    fields = receptive_fields(found.graph_module.graph)
    return found, {layer: fields.get(found.nodes[layer.name]) for layer in found.layers.activations}


def footprint(found, layer, place):
    """Rows and columns of the input pixels with a gradient: first and last, of one place's values."""
    x = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    map_ = found.tapped(maps=[layer])(x)[2]
    values = map_[0].movedim(layer.unit_axis - 1, 0)[:, place[0], place[1]]
    (gradient,) = torch.autograd.grad((values * torch.arange(1.0, len(values) + 1)).sum(), x)
    rows, columns = gradient[0].abs().sum(0).nonzero().T
    return rows.min().item(), rows.max().item() + 1, columns.min().item(), columns.max().item() + 1


def boxes(field, place):
    top, left, height, width = field.box(*place)
    return [max(0, top), min(SIDE, top + height), max(0, left), min(SIDE, left + width)]


def places(layer):
    rows, columns = (side for axis, side in enumerate(layer.shape, 1) if axis != layer.unit_axis)
    return [(0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)]


@pytest.mark.parametrize("name", EXACT)
def test_the_field_is_what_has_a_gradient(name):
    torch.manual_seed(0)
    found, fields = fields_of(EXACT[name])
    fields = {layer: field for layer, field in fields.items() if layer.shape[-1] > 1}  # not the gate itself
    assert fields
    for layer, field in fields.items():
        for place in places(layer):
            assert boxes(field, place) == list(footprint(found, layer, place)), layer.name


@pytest.mark.parametrize("name", WITHIN)
def test_all_gradients_are_within_the_field(name):
    torch.manual_seed(0)
    found, fields = fields_of(WITHIN[name])
    for layer, field in fields.items():
        for place in places(layer):
            top, bottom, left, right = boxes(field, place)
            first, last, leftmost, rightmost = footprint(found, layer, place)
            assert top <= first
            assert last <= bottom
            assert left <= leftmost
            assert rightmost <= right
            assert field.rows.size <= SIDE / 2  # not the whole image


class Moved(nn.Module):
    """Rows are rolled, and rows and columns swapped."""

    def __init__(self, move):
        super().__init__()
        self.conv, self.act, self.move = conv(3, 4, 8, stride=8), nn.ReLU(), move

    def forward(self, x):
        return self.act(self.move(self.conv(x)))


@pytest.mark.parametrize("move", [lambda x: torch.roll(x, 1, 2), lambda x: x.permute(0, 1, 3, 2)])
def test_moved_places_have_no_field(move):
    _, fields = fields_of(Moved(move))
    assert list(fields.values()) == [None]


class Mixed(nn.Module):
    """Places are lost in a reshape that folds rows into units, and behind attention."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = conv(3, 4, 8, stride=8), nn.ReLU()
        self.attention = nn.MultiheadAttention(4, 1, batch_first=True)

    def forward(self, x):
        x = self.act(self.conv(x))
        tokens = x.flatten(2).transpose(1, 2)
        x = self.attention(tokens, tokens, tokens)[0].transpose(1, 2).unflatten(2, (8, 8))
        return self.act(x)


def test_behind_attention_there_is_no_field():
    _, fields = fields_of(Mixed())
    known = [field is not None for field in fields.values()]
    assert known == [True, False]
