"""Zoo networks, exported and tapped, against the module itself and against plain forward hooks written here."""

import copy
from collections import Counter
from dataclasses import dataclass

import pytest
import torch
import torchvision
from torch import nn

from unitscope.graph import ExportedTrace, trace
from unitscope.graph.ops import op_name
from unitscope.graph.passes.fold_batch_norm import fold_batch_norms
from unitscope.graph.passes.fuse_conv import fuse_convolutions

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
NORMED = ("resnet50", "densenet121", "mobilenet_v3_large", "efficientnet_b0")
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid)


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
    """A network with random weights whose values stay alive to the end: norms calibrated, nothing zero."""
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
    """The mean over all axes but the image's and the unit's, with the unit's brought to the end first."""
    moved = value.movedim(axis, -1)
    return moved.reshape(len(value), -1, moved.shape[-1]).mean(1)


def hooked(name, module, images):
    """What plain hooks see, each value cloned when its call returns: logits, mean maps by call, activations."""
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


@pytest.fixture(scope="module", params=ZOO)
def case(request):
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


def assert_close(given, wanted, what, tolerance=1e-5):
    error = float((given - wanted).abs().max() / wanted.abs().max())
    assert error <= tolerance, f"{what} is off by {error:.1e} of its maximum"


def spans(layers):
    start = 0
    for layer in layers:
        yield layer, slice(start, start + layer.units)
        start += layer.units


def test_logits_are_those_of_the_module(case):
    with torch.no_grad():
        logits, _ = case.trace.tapped(responses=case.trace.layers.activations)(case.images)
    assert case.logits.std() > 1e-2
    assert_close(logits, case.logits, "the prediction")


def test_responses_of_every_module_call_are_what_plain_hooks_see(case):
    layers = [case.trace.layers.find(name) for name in case.hooked]
    with torch.no_grad():
        _, responses = case.trace.tapped(responses=layers)(case.images)
    assert responses.dtype == torch.float32
    for layer, span in spans(layers):
        wanted = case.hooked[layer.name]
        assert wanted.std() > 1e-5, f"{layer.name} gives next to nothing, so there is nothing to compare"
        assert_close(responses[:, span], wanted, layer.name)


def test_every_activation_call_is_a_layer_in_the_order_of_the_calls(case):
    names = [layer.name for layer in case.trace.layers.activations]
    _, count, of_modules, _ = ZOO[case.name]
    assert len(names) == count
    assert len(case.activations) == of_modules
    assert [name for name in names if name in case.activations] == case.activations


def test_units_lie_on_the_axis_that_the_architecture_gives_them(case):
    for layer in case.trace.layers.activations:
        wanted = ZOO[case.name][3] if len(layer.shape) > 1 else 1
        assert (layer.name, layer.unit_axis) == (layer.name, wanted)
        assert layer.units == layer.shape[layer.unit_axis - 1]


def test_layers_are_named_once_and_counted_in_order(case):
    names = [layer.name for layer in case.trace.layers]
    assert len(set(names)) == len(names)
    assert [layer.index for layer in case.trace.layers] == list(range(len(names)))


def test_folding_batch_norms_changes_rounding_only_and_not_the_module(case):
    if case.name not in NORMED:
        return
    before = {name: value.clone() for name, value in case.module.state_dict().items()}
    layers = case.trace.layers.activations
    fold_batch_norms(case.trace.tapped(responses=layers))
    # In float64, since a deep random network makes float32's rounding too large to tell it from a mistake.
    plain = copy.deepcopy(case.trace.tapped(responses=layers)).double()
    folded = fold_batch_norms(copy.deepcopy(plain))
    norms = [
        sum(op_name(node) == "native_batch_norm_legit_no_training" for node in graph.graph.nodes)
        for graph in (plain, folded)
    ]
    assert norms[1] < norms[0]
    with torch.no_grad():
        (wanted_logits, wanted), (logits, given) = plain(case.images.double()), folded(case.images.double())
    assert logits.dtype == torch.float64
    assert_close(logits, wanted_logits, "the prediction", 1e-9)
    for layer, span in spans(layers):
        assert_close(given[:, span], wanted[:, span], layer.name)
    after = case.module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_resnet50_has_the_known_units_and_keras_names(case):
    if case.name != "resnet50":
        return
    table = case.trace.layers
    units = {256: [10], 512: [13, 16, 19, 22], 1024: range(25, 41, 3), 2048: [43, 46, 49]}
    for count, numbers in units.items():
        assert [table.find(f"act:{number}").units for number in numbers] == [count] * len(numbers)
    assert table.find("conv5_block3_out").name == table.find("act:49").name == "layer4.2.relu_2"
    assert table.find("conv1_relu") == table.find("act:1")
    assert table.find("conv2_block1_1_relu").name == "layer1.0.relu"


def test_vgg16_has_the_known_size_and_both_families_of_names(case):
    if case.name != "vgg16":
        return
    table = case.trace.layers
    assert sum(parameter.numel() for parameter in case.module.parameters()) == 138357544
    assert table.find("conv5_3") == table.find("block5_conv3") == table.find("act:13")
    assert table.find("conv5_3").units == 512
    assert table.find("conv1_1").name == "features.1"
    assert [table.find(name).units for name in ("fc6", "fc7", "fc8")] == [4096, 4096, 1000]


def test_a_layer_before_an_in_place_relu_keeps_its_negative_values(case):
    name = {"resnet50": "bn1", "vgg16": "features.0"}.get(case.name)
    if name is None:
        return
    layer = case.trace.layers.find(name)
    with torch.no_grad():
        _, _, values = case.trace.tapped(maps=[layer])(case.images)
        _, means = case.trace.tapped(responses=[layer])(case.images)
    assert values.min() < 0
    assert means.min() < 0
    assert_close(means, mean_on(values, 1), name)


def test_fusing_convolutions_changes_rounding_only(case):
    layers = case.trace.layers.activations
    x = case.images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        wanted_logits, wanted = fold_batch_norms(case.trace.tapped(responses=layers))(x)
        logits, given = fuse_convolutions(fold_batch_norms(case.trace.tapped(responses=layers)))(x)
    assert_close(logits, wanted_logits, "the prediction")
    for layer, span in spans(layers):
        assert_close(given[:, span], wanted[:, span], layer.name)
