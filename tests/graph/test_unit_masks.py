"""Masks at several layers at once, against plain hooks that zero the same maps."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18, squeezenet1_0

from unitscope.graph.hooks import HookedTaps
from unitscope.graph.trace import trace


class Branching(nn.Module):
    """Branches for dark images, so it can't be exported."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Linear(5, 4)

    def forward(self, x):
        if float(x.mean()) < -100:
            x = x + 1
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


def sound(build):
    torch.manual_seed(0)
    module = build().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 2)
    return module


@pytest.fixture(scope="module", params=["squeezenet", "resnet", "branching"])
def traced(request):
    builds = {
        "squeezenet": lambda: squeezenet1_0(num_classes=7),
        "resnet": lambda: resnet18(num_classes=7),
        "branching": Branching,
    }
    module = sound(builds[request.param])
    return module, trace(module, (64, 64), name=request.param)


def behind_masks(found, layers):
    """The network with a mask at each layer, and the masked maps."""
    return found.tapped(maps=layers, masks=layers)


def by_hooks(module, x, removed):
    """Logits with units zeroed by plain forward hooks; removed is {(path, call): channels}."""
    calls = dict.fromkeys((path for path, _ in removed), 0)

    def hook(path):
        def zero(_, given, output):
            count = calls[path]
            calls[path] += 1
            if (path, count) not in removed:
                return None
            edited = output.clone()
            edited[:, list(removed[path, count])] = 0
            return edited

        return zero

    handles = [module.get_submodule(path).register_forward_hook(hook(path)) for path in calls]
    try:
        return module(x)
    finally:
        [handle.remove() for handle in handles]


def place(name):
    """The module and the call of a layer's name."""
    path, _, call = name.rpartition("_")
    return (path, int(call)) if call.isdigit() and path else (name, 0)


def test_units_of_several_layers_are_removed_at_once(traced):
    module, found = traced
    layers = list(found.layers.activations)
    chosen = [layers[0], layers[-1]]
    removed = {place(layer.name): (0, 2) for layer in chosen}
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    masks = [torch.ones(layer.units) for layer in layers]
    for layer, mask in zip(layers, masks, strict=True):
        if layer in chosen:
            mask[[0, 2]] = 0
    with torch.no_grad():
        logits, _, *maps = behind_masks(found, layers)(x, *masks)
        expected = by_hooks(module, x, removed)
        untouched = module(x)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits, untouched, atol=1e-4)
    for layer, map_ in zip(layers, maps, strict=True):
        if layer in chosen:
            assert map_.select(layer.unit_axis, 0).abs().max() == 0
            assert map_.select(layer.unit_axis, 2).abs().max() == 0
            assert map_.abs().max() > 0


def test_masks_of_ones_change_nothing(traced):
    _, found = traced
    layers = list(found.layers.activations)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        masked = behind_masks(found, layers)(x, *(torch.ones(layer.units) for layer in layers))
        plain = found.tapped(maps=layers)(x)
    assert masked[1] is plain[1] is None
    for one, other in zip((masked[0], *masked[2:]), (plain[0], *plain[2:]), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_network_that_cannot_be_exported_is_masked_by_hooks(traced):
    _, found = traced
    assert isinstance(behind_masks(found, list(found.layers.activations)), HookedTaps) == bool(found.fallback_reason)
