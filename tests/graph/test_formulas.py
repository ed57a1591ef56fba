"""Activations written as formulas are layers; what is inside a formula is none."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unitscope.graph import trace

FORMULAS = {
    "relu as clamp": lambda y: y.clamp(min=0),
    "relu as clamp_min": lambda y: torch.clamp_min(y, 0),
    "relu as maximum": lambda y: torch.maximum(y, torch.zeros_like(y)),
    "relu as max with a constant": lambda y: torch.max(y, torch.tensor(0.0)),
    "relu as where": lambda y: torch.where(y > 0, y, torch.zeros_like(y)),
    "relu as a product with a mask": lambda y: y * (y > 0),
    "relu as a product with a mask of numbers": lambda y: y * (y > 0).float(),
    "relu as masked_fill": lambda y: y.masked_fill(y < 0, 0.0),
    "relu in place": lambda y: y.clone().clamp_(min=0),
    "relu as a mean with the absolute value": lambda y: (y + y.abs()) / 2,
    "relu6 as clamp": lambda y: y.clamp(0, 6),
    "leaky relu as max": lambda y: torch.max(y, 0.1 * y),
    "leaky relu as where": lambda y: torch.where(y > 0, y, 0.1 * y),
    "elu as where": lambda y: torch.where(y > 0, y, y.exp() - 1),
    "hard swish": lambda y: y * F.relu6(y + 3) / 6,
    "hard swish, divided inside": lambda y: y * (F.relu6(y + 3) * (1 / 6)),
    "hard swish with hardtanh": lambda y: y * F.hardtanh(y + 3, 0, 6) / 6,
    "hard swish with clamp": lambda y: y * (y + 3).clamp(0, 6) / 6,
    "hard swish with hardsigmoid": lambda y: y * F.hardsigmoid(y),
    "swish": lambda y: y * torch.sigmoid(y),
    "swish as a quotient": lambda y: y / (1 + torch.exp(-y)),
    "gelu": lambda y: 0.5 * y * (1 + torch.erf(y / 2**0.5)),
    "gelu as a sum": lambda y: 0.5 * y + 0.5 * y * torch.erf(y / 2**0.5),
    "gelu with tanh": lambda y: 0.5 * y * (1 + torch.tanh(0.7979 * (y + 0.044715 * y**3))),
    "gelu with sigmoid": lambda y: y * torch.sigmoid(1.702 * y),
    "mish": lambda y: y * torch.tanh(F.softplus(y)),
    "mish with a softplus by hand": lambda y: y * torch.tanh(torch.log(1 + torch.exp(y))),
    "softplus": lambda y: torch.log1p(torch.exp(y)),
    "softsign": lambda y: y / (1 + y.abs()),
    "sigmoid": lambda y: 1 / (1 + torch.exp(-y)),
    "squared relu": lambda y: F.relu(y) ** 2,
    "leaky relu as a difference": lambda y: F.relu(y) - 0.1 * F.relu(-y),
    "elu as a sum": lambda y: F.relu(y) + (torch.exp(y.clamp(max=0)) - 1),
    "tanh as a quotient": lambda y: (torch.exp(y) - torch.exp(-y)) / (torch.exp(y) + torch.exp(-y)),
    "relu6 as two clamps": lambda y: y.clamp(min=0).clamp(max=6),
    "relu6 as min and max": lambda y: torch.min(torch.max(y, torch.tensor(0.0)), torch.tensor(6.0)),
    "sine": lambda y: torch.sin(30 * y),
}


class Written(nn.Module):
    """A network with one activation, ``act``, written in the network's forward pass."""

    def __init__(self, act):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.conv2, self.fc = (
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 6, 1),
            nn.Linear(6, 4),
        )
        self.act = act

    def forward(self, x):
        return self.fc(self.conv2(self.act(self.norm(self.conv(x)))).mean((2, 3)))


class Act(nn.Module):
    """The activation as a module of its own."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def responses(module, found, layer):
    return found.tapped(responses=[layer])(IMAGES)[1]


@pytest.mark.parametrize("name", FORMULAS)
@torch.no_grad()
def test_the_result_of_a_formula_is_the_only_activation(name):
    module = Written(FORMULAS[name]).eval()
    found = trace(module, (8, 8), name="net")
    (layer,) = found.layers.activations
    wanted = module.act(module.norm(module.conv(IMAGES))).mean((2, 3))
    torch.testing.assert_close(responses(module, found, layer), wanted)


@pytest.mark.parametrize("name", ["hard swish", "relu as clamp", "gelu with tanh"])
def test_a_module_with_a_formula_is_one_layer_with_its_name(name):
    found = trace(Written(Act(FORMULAS[name])).eval(), (8, 8), name="net")
    assert [layer.name for layer in found.layers.activations] == ["act"]


NO_FORMULAS = {
    "a guard of a division": (lambda y: y / y.norm(dim=1, keepdim=True).clamp(min=1e-6), []),
    "a guard of a power": (lambda y: y.clamp(min=1e-6) * 2, []),
    "a normalization": (lambda y: (y - y.mean(1, keepdim=True)) / (y.var(1, keepdim=True) + 1e-5).sqrt(), []),
    "a root mean square": (lambda y: y * torch.rsqrt(y.pow(2).mean(1, keepdim=True) + 1e-5), []),
    "a gate of the means": (lambda y: y * torch.sigmoid(y.mean((2, 3), keepdim=True)), ["sigmoid"]),
    "a gated linear unit": (lambda y: torch.cat([y[:, :4] * torch.sigmoid(y[:, 4:])] * 2, 1), ["sigmoid"]),
    "a residual sum": (lambda y: y + F.relu(y), ["relu"]),
    "a scale behind relu": (lambda y: 1.7 * F.relu(y), ["relu"]),
    "relu of both signs, side by side": (lambda y: torch.cat([F.relu(y), F.relu(-y)], 1)[:, 4:12], ["relu", "relu_1"]),
    "a guard of half precision": (lambda y: y.clamp(-65504, 65504), []),
    "quantization": (lambda y: y + (torch.round(y * 16) / 16 - y), []),
    "quantization with bounds": (lambda y: torch.clamp(torch.round(y * 16), -128, 127) / 16, []),
    "nothing": (lambda y: 2 * y + 1, []),
}


@pytest.mark.parametrize("name", NO_FORMULAS)
def test_other_arithmetic_is_no_activation(name):
    act, names = NO_FORMULAS[name]
    found = trace(Written(act).eval(), (8, 8), name="net")
    assert [layer.name for layer in found.layers.activations] == names


class Shuffled(nn.Module):
    """A reshape that splits the units, as pixel shuffle by hand."""

    def forward(self, x):
        images, units, rows, columns = x.shape
        x = x.view(images, units // 4, 2, 2, rows, columns).permute(0, 1, 4, 2, 5, 3)
        return x.reshape(images, units // 4, rows * 2, columns * 2)


@pytest.mark.parametrize("shuffle", [nn.PixelShuffle(2), Shuffled()])
@torch.no_grad()
def test_units_are_followed_through_a_pixel_shuffle(shuffle):
    module = nn.Sequential(nn.Conv2d(3, 16, 3), shuffle, nn.ReLU(), nn.Conv2d(4, 5, 1), nn.AdaptiveAvgPool2d(1)).eval()
    found = trace(module, (8, 8), name="net")
    (layer,) = found.layers.activations
    assert (layer.name, layer.units, layer.unit_axis) == ("2", 4, 1)
    torch.testing.assert_close(responses(module, found, layer), module[:3](IMAGES).mean((2, 3)))


class Hidden(nn.Module):
    """An activation whose units nothing tells: rows and units are mixed before it and behind it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        mixed = self.conv(x).flatten(1)
        return F.relu(mixed.view(x.shape[0], 12, -1)).flatten(1).sum(1, keepdim=True)


def test_an_activation_whose_units_are_unknown_is_named_in_a_note():
    found = trace(Hidden().eval(), (8, 8), name="net")
    assert not found.layers.activations
    assert "1 activation call of net can't be layers, since reshapes hide" in found.notes[0]
