import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.convnext import LayerNorm2d

from unitscope.errors import NetworkError
from unitscope.graph import ExportedTrace, HookedTrace, trace
from unitscope.graph.ops import op_name
from unitscope.graph.passes.fold_batch_norm import fold_batch_norms


class Permuting(nn.Module):
    """Channels last inside, as in ConvNeXt: 5 units and a map height of 5, so that sizes are ambiguous."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 1)
        self.norm = nn.LayerNorm(5)
        self.wide = nn.Linear(5, 7)
        self.act = nn.GELU()
        self.back = nn.Conv2d(7, 4, 1)
        self.last = nn.ReLU()

    def forward(self, x):
        x = self.conv(x).permute(0, 2, 3, 1)
        x = self.act(self.wide(self.norm(x)))
        return self.last(self.back(x.permute(0, 3, 1, 2))).mean((2, 3))


class Thrice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return F.relu(F.relu(F.relu(self.conv(x)) - 0.1) - 0.1).mean((2, 3))


class Shared(nn.Module):
    """One ReLU, in place, called twice."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.second(self.act(self.first(x)))).mean((2, 3))


class Swish(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, x):
        x = self.conv(x)
        return self.head((x * torch.sigmoid(x)).mean((2, 3)))


class Branching(nn.Module):
    """Branches on values in Python, so it can't be exported."""

    def __init__(self):
        super().__init__()
        self.bright, self.dark = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 5, 3)
        self.act = nn.ReLU(inplace=True)
        self.bright_head, self.dark_head = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, x):
        if x.shape[0] > 1:
            raise RuntimeError("one image at a time")
        if x.mean() > 0:
            return self.bright_head(self.act(self.bright(x)).mean((2, 3)))
        return self.dark_head(self.act(self.dark(x)).mean((2, 3)))


class Failing(Branching):
    def forward(self, x):
        if x.max() > 100:
            raise ValueError("too bright")
        return super().forward(x)


def made(kind):
    torch.manual_seed(3)
    return kind().eval()


def traced(module, side=5):
    return trace(module, (side, side), name="small")


def hooks_on(module):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


@torch.no_grad()
def maps(found, name, images):
    return found.tapped(maps=[found.layers.find(name)])(images)[2]


@pytest.fixture
def images():
    return torch.randn(3, 3, 5, 5, generator=torch.Generator().manual_seed(0))


def test_permutations_and_layer_norms_move_the_unit_axis():
    found = traced(made(Permuting))
    where = {layer.name: (layer.unit_axis, layer.units) for layer in found.layers}
    wanted = {"conv": (1, 5), "norm": (3, 5), "wide": (3, 7), "act": (3, 7), "back": (1, 4), "last": (1, 4)}
    assert {name: where[name] for name in wanted} == wanted


def test_responses_of_a_channels_last_layer_are_means_over_its_middle_axes(images):
    found = traced(made(Permuting))
    values = maps(found, "act", images)
    with torch.no_grad():
        _, responses = found.tapped(responses=[found.layers.find("act")])(images)
    assert values.shape == (3, 5, 5, 7)
    torch.testing.assert_close(responses, values.mean((1, 2)))


def test_a_functional_relu_called_three_times_is_three_layers(images):
    module = made(Thrice)
    found = traced(module)
    assert [layer.name for layer in found.layers.activations] == ["relu", "relu_1", "relu_2"]
    with torch.no_grad():
        wanted = F.relu(module.conv(images))
        for name in ("relu", "relu_1", "relu_2"):
            torch.testing.assert_close(maps(found, name, images), wanted)
            wanted = F.relu(wanted - 0.1)


def test_a_shared_module_called_twice_is_two_layers_of_their_own_sizes(images):
    module = made(Shared)
    found = traced(module)
    assert [(layer.name, layer.units) for layer in found.layers.activations] == [("act", 4), ("act_1", 6)]
    with torch.no_grad():
        first = module.first(images)
        second = module.second(first.relu())
    torch.testing.assert_close(maps(found, "act", images), first.relu())
    torch.testing.assert_close(maps(found, "act_1", images), second.relu())
    torch.testing.assert_close(maps(found, "first", images), first)
    assert first.min() < 0


def test_x_times_sigmoid_is_one_swish_activation(images):
    module = made(Swish)
    found = traced(module)
    (swish,) = found.layers.activations
    with torch.no_grad():
        torch.testing.assert_close(maps(found, swish.name, images), F.silu(module.conv(images)))


def test_an_exported_network_has_no_fallback_reason():
    found = traced(made(Shared))
    assert isinstance(found, ExportedTrace)
    assert found.fallback_reason == ""


def test_tracing_does_not_change_the_module_or_the_random_state():
    module = made(Shared)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    traced(module)
    assert torch.equal(torch.get_rng_state(), state)
    assert hooks_on(module) == 0
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_tapped_convolution_is_not_folded_away(images):
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    with torch.no_grad():
        module[1].running_var.fill_(4.0)
        module[1].running_mean.fill_(0.5)
    found = traced(module.eval())
    tapped = fold_batch_norms(found.tapped(responses=[found.layers.find("0"), found.layers.find("1")]))
    assert "native_batch_norm_legit_no_training" in [op_name(node) for node in tapped.graph.nodes]
    with torch.no_grad():
        convolved = module[0](images)
        wanted = torch.cat([convolved.mean((2, 3)), module[1](convolved).mean((2, 3))], 1)
        torch.testing.assert_close(tapped(images)[1], wanted)


def test_a_branching_network_is_traced_with_hooks_and_has_a_fallback_reason():
    found = traced(made(Branching))
    assert isinstance(found, HookedTrace)
    assert "small can't be exported as a graph" in found.fallback_reason
    assert "runs with forward hooks" in found.fallback_reason


@pytest.mark.parametrize("shift", [3.0, -3.0])
def test_hooks_give_each_image_its_responses_and_nan_for_layers_not_called(images, shift):
    module = made(Branching)
    found = traced(module)
    called, other = ("bright", "dark") if shift > 0 else ("dark", "bright")
    layers = found.layers.layers
    for image in images[:, None] + shift:
        with torch.no_grad():
            logits, responses = found.tapped(responses=layers)(image)
            torch.testing.assert_close(logits, module(image))
            convolved = getattr(module, called)(image)
        start = 0
        for layer in layers:
            row = responses[:, start : start + layer.units]
            start += layer.units
            if layer.name == other:
                assert row.isnan().all()
            if layer.name == called:
                torch.testing.assert_close(row, convolved.mean((2, 3)))
                assert not row.isnan().any()
    assert {"bright", "dark"} <= {layer.name for layer in layers}


def test_hooks_read_a_convolution_before_the_following_in_place_relu(images):
    module = made(Branching)
    found = traced(module)
    called = next(layer.name for layer in found.layers if layer.name in ("bright", "dark"))
    image = images[:1] + (3 if called == "bright" else -3)
    with torch.no_grad():
        torch.testing.assert_close(maps(found, called, image), getattr(module, called)(image))


def test_hooks_are_removed_after_a_pass_and_after_an_error(images):
    module = made(Failing)
    handle = module.act.register_forward_hook(lambda part, given, output: None)
    before = hooks_on(module)
    found = traced(module)
    assert hooks_on(module) == before == 1
    tapped = found.tapped(responses=found.layers.layers)
    tapped(images[:1])
    assert hooks_on(module) == before
    with pytest.raises(NetworkError, match="small failed on an image: ValueError: too bright"):
        tapped(images[:1] + 1000)
    assert hooks_on(module) == before
    handle.remove()


def test_a_module_that_cannot_run_on_the_input_is_an_error_with_the_size():
    with pytest.raises(
        NetworkError, match=r"small does not run on an input of 5×6 pixels with 3 channels: .*--preprocess"
    ):
        trace(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)).eval(), (5, 6), name="small")


def test_hooks_read_the_units_of_layer_norm_2d_on_axis_1(images):
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = LayerNorm2d(3)

        def forward(self, x):
            return self.norm(x).mean((2, 3)) if x.mean() > -100 else x.mean((2, 3))

    found = traced(Normed().eval())
    assert isinstance(found, HookedTrace)
    assert (found.layers.find("norm").unit_axis, found.layers.find("norm").units) == (1, 3)


@pytest.mark.parametrize("kind", [Shared, Branching])
def test_responses_and_maps_in_one_run_equal_separate_runs(kind, images):
    found = traced(made(kind))
    first, *_, last = found.layers.layers
    with torch.no_grad():
        logits, responses, *maps = found.tapped(responses=[first, last], maps=[last])(images[:1])
        separate = found.tapped(responses=[first, last])(images[:1]), found.tapped(maps=[last])(images[:1])
    torch.testing.assert_close((logits, responses), separate[0], equal_nan=True)  # NaN where a branch is not taken
    torch.testing.assert_close((logits, None, *maps), separate[1], equal_nan=True)


class Standardized(nn.Conv2d):
    """A convolution that standardizes its weights with a batch norm, as timm's."""

    def forward(self, x):
        weight = self.weight.reshape(1, self.out_channels, -1)
        weight = F.batch_norm(weight, None, None, training=True, momentum=0.0).reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias)


def test_a_convolution_that_standardizes_its_weights_is_one_layer():
    found = traced(nn.Sequential(Standardized(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)).eval())
    assert [layer.name for layer in found.layers] == ["0", "1", "2"]
    assert not found.single_image
