"""Zoo networks with random weights, exported once for all tests of graphs, with the results of plain forward hooks."""

from collections import Counter
from dataclasses import dataclass

import pytest
import torch
import torchvision
from torch import nn

from unitscope.graph import ExportedTrace, trace

# Side of the input, activation calls, how many of them are calls of modules, axis of their units.
ZOO = {
    "resnet50": (64, 49, 49, 1),
    "vgg16": (64, 15, 15, 1),
    "alexnet": (64, 7, 7, 1),
    "squeezenet1_0": (64, 26, 26, 1),
    "densenet121": (64, 121, 120, 1),
    "inception_v3": (299, 94, 0, 1),
    "mobilenet_v3_large": (64, 48, 48, 1),
    "convnext_tiny": (64, 18, 18, 3),
    "swin_t": (64, 12, 12, 3),
    "vit_b_16": (64, 12, 12, 2),
    "efficientnet_b0": (64, 65, 65, 1),
}
OPTIONS = {"inception_v3": {"init_weights": False}, "vit_b_16": {"image_size": 64}}
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid)


def of(*names):
    """Parametrize `case` with these networks only."""
    return pytest.mark.parametrize("case", names, indirect=True)


@dataclass
class Case:
    name: str
    module: nn.Module
    images: torch.Tensor
    trace: ExportedTrace
    logits: torch.Tensor
    hooked: dict[str, torch.Tensor]
    activations: list[str]


def built(name, side):
    """A random network whose activations don't vanish: norms are calibrated, no weight is zero."""
    module = torchvision.models.get_model(name, weights=None, **OPTIONS.get(name, {})).eval()
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    with torch.no_grad():
        for path, parameter in module.named_parameters():
            if path.endswith("layer_scale"):
                parameter.fill_(0.5)
            elif path.endswith("weight") and not parameter.any():
                parameter.normal_(std=0.05)
        for norm in norms:
            norm.weight.uniform_(0.8, 1.2)
            norm.bias.normal_(std=0.1)
            norm.momentum = None
            norm.train()
        if norms:
            module(torch.randn(16 if side < 200 else 4, 3, side, side))
    return module.eval()


def mean_on(value, axis):
    """The mean over all axes except image and unit, with the unit axis last."""
    moved = value.movedim(axis, -1)
    return moved.reshape(len(value), -1, moved.shape[-1]).mean(1)


def hooked(name, module, images):
    """Results of plain hooks, cloned when each call returns: logits, mean maps by call, activations."""
    axis = ZOO[name][3]
    seen, activations, counts, handles = {}, [], Counter(), []

    def listen(path, part):
        def hook(_, __, output):
            call = f"{path}_{counts[path]}" if counts[path] else path
            counts[path] += 1
            units = 1
            if isinstance(part, nn.Linear) or type(part) is nn.LayerNorm:
                units = -1
            elif isinstance(part, ACTIVATIONS):
                units = axis if output.ndim > 2 else 1
                activations.append(call)
            seen[call] = mean_on(output.detach().clone(), units)

        handles.append(part.register_forward_hook(hook))

    for path, part in module.named_modules():
        if isinstance(part, (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm, *ACTIVATIONS)):
            listen(path, part)
    with torch.no_grad():
        logits = module(images)
    for handle in handles:
        handle.remove()
    return logits, seen, activations


@pytest.fixture(scope="package", params=ZOO)
def case(request):
    """One network of the zoo."""
    name, side = request.param, ZOO[request.param][0]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            module, images = built(name, side), torch.randn(2, 3, side, side)
        yield Case(name, module, images, trace(module, (side, side), name=name), *hooked(name, module, images))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
