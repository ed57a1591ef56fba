"""Zoo networks, exported and tapped, against the module and plain forward hooks."""

import copy

import pytest
import torch

from unitscope.graph.ops import op_name
from unitscope.graph.passes.fold_batch_norm import fold_batch_norms
from unitscope.graph.passes.fuse_conv import fuse_convolutions

from .conftest import ZOO, mean_on, of

NORMED = ("resnet50", "densenet121", "mobilenet_v3_large", "efficientnet_b0")
BEFORE_RELU = {"resnet50": "bn1", "vgg16": "features.0"}


def assert_close(given, wanted, what, tolerance=1e-5):
    error = float((given - wanted).abs().max() / wanted.abs().max())
    assert error <= tolerance, f"{what} is off by {error:.1e} of its maximum"


def spans(layers):
    start = 0
    for layer in layers:
        yield layer, slice(start, start + layer.units)
        start += layer.units


def test_logits_equal_those_of_the_module(case):
    with torch.no_grad():
        logits, _ = case.trace.tapped(responses=case.trace.layers.activations)(case.images)
    assert case.logits.std() > 1e-2
    assert_close(logits, case.logits, "the prediction")


def test_responses_of_every_module_call_equal_plain_hooks(case):
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


def test_units_are_on_the_axis_of_the_architecture(case):
    for layer in case.trace.layers.activations:
        wanted = ZOO[case.name][3] if len(layer.shape) > 1 else 1
        assert (layer.name, layer.unit_axis) == (layer.name, wanted)
        assert layer.units == layer.shape[layer.unit_axis - 1]


def test_layers_are_named_once_and_counted_in_order(case):
    names = [layer.name for layer in case.trace.layers]
    assert len(set(names)) == len(names)
    assert [layer.index for layer in case.trace.layers] == list(range(len(names)))


@of(*NORMED)
def test_folding_batch_norms_changes_rounding_only_and_not_the_module(case):
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


@of("resnet50")
def test_resnet50_has_the_known_units_and_keras_names(case):
    table = case.trace.layers
    units = {256: [10], 512: [13, 16, 19, 22], 1024: range(25, 41, 3), 2048: [43, 46, 49]}
    for count, numbers in units.items():
        assert [table.find(f"act:{number}").units for number in numbers] == [count] * len(numbers)
    assert table.find("conv5_block3_out").name == table.find("act:49").name == "layer4.2.relu_2"
    assert table.find("conv1_relu") == table.find("act:1")
    assert table.find("conv2_block1_1_relu").name == "layer1.0.relu"


@of("vgg16")
def test_vgg16_has_the_known_size_and_both_families_of_names(case):
    table = case.trace.layers
    assert sum(parameter.numel() for parameter in case.module.parameters()) == 138357544
    assert table.find("conv5_3") == table.find("block5_conv3") == table.find("act:13")
    assert table.find("conv5_3").units == 512
    assert table.find("conv1_1").name == "features.1"
    assert [table.find(name).units for name in ("fc6", "fc7", "fc8")] == [4096, 4096, 1000]


@of(*BEFORE_RELU)
def test_a_layer_before_an_in_place_relu_keeps_its_negative_values(case):
    name = BEFORE_RELU[case.name]
    layer = case.trace.layers.find(name)
    with torch.no_grad():
        _, _, values = case.trace.tapped(maps=[layer])(case.images)
        _, means = case.trace.tapped(responses=[layer])(case.images)
    assert values.min() < 0
    assert means.min() < 0
    assert_close(means, mean_on(values, 1), name)


@pytest.fixture
def two_threads():
    """PyTorch with two threads, since the rounding of sums depends on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_fusing_convolutions_changes_rounding_only(case):
    layers = case.trace.layers.activations
    x = case.images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        wanted_logits, wanted = fold_batch_norms(case.trace.tapped(responses=layers))(x)
        logits, given = fuse_convolutions(fold_batch_norms(case.trace.tapped(responses=layers)))(x)
    assert_close(logits, wanted_logits, "the prediction")
    for layer, span in spans(layers):
        assert_close(given[:, span], wanted[:, span], layer.name)
