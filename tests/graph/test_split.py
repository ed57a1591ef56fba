"""Split networks, against the whole network run op by op with the layer's value edited."""

import pytest
import torch
from torch import nn

import unitscope
from tests.scanning.conftest import PHI
from unitscope.errors import NetworkError
from unitscope.graph import HookedTrace, trace, trace_of
from unitscope.graph.axes import unit_axes
from unitscope.graph.commuting_ops import commuting_ops
from unitscope.graph.interventions import HookedSplit, UnsplitGraph
from unitscope.graph.split import SplitGraph, split_at

from .conftest import of

CASES = [
    ("resnet50", "layer2.2.relu"),
    ("resnet50", "act:-1"),
    ("squeezenet1_0", "features.5"),
    ("squeezenet1_0", "act:-1"),
    ("mobilenet_v3_large", "features.6.block.2.activation"),
    ("densenet121", "features.denseblock4.denselayer15.relu2"),
    ("convnext_tiny", "act:16"),
    ("vit_b_16", "act:11"),
]


class Edited(torch.fx.Interpreter):
    """Runs the whole graph op by op and edits the value of one node."""

    def __init__(self, graph_module, node, edit):
        super().__init__(graph_module)
        self.node, self.edit = node, edit

    def run_node(self, n):
        value = super().run_node(n)
        return self.edit(value) if n is self.node else value


def by_hand(found, layer, images, removed, fill):
    def edit(value):
        moved = value.movedim(layer.unit_axis, 1).clone()
        for image in range(len(images)):
            for unit in range(layer.units):
                if removed[image, unit]:
                    moved[image, unit] = fill[unit]
        return moved.movedim(1, layer.unit_axis)

    return Edited(found.graph_module, found.nodes[layer.name], edit).run(images)[0]


@pytest.mark.parametrize(("case", "address"), CASES, indirect=["case"])
@torch.no_grad()
def test_a_suffix_gives_the_logits_of_the_network_with_the_layer_edited(case, address):
    torch.manual_seed(0)
    module, found, images = case.module, case.trace, torch.randn(3, 3, 64, 64)
    layer = found.layers.find(address)
    halves = split_at(found, layer)
    halfway = halves.prefix(images)
    removed = torch.rand(3, 3, layer.units) < 0.4
    removed[0] = False
    fill = torch.rand(layer.units) * halfway.responses.abs().mean()
    logits = halves.suffix(halfway.live, removed, fill)
    torch.testing.assert_close(logits[0], module(images), rtol=1e-4, atol=float(logits[0].abs().max()) * 1e-5)
    for variant in (1, 2):
        expected = by_hand(found, layer, images, removed[variant], fill)
        assert (expected - logits[0]).abs().max() > 1e-4 * expected.abs().max()
        torch.testing.assert_close(logits[variant], expected, rtol=1e-4, atol=float(expected.abs().max()) * 1e-5)


@of("resnet50")
@torch.no_grad()
def test_an_edit_moves_after_the_last_pooling_and_one_mask_fits_all_images(case):
    found = case.trace
    halves = split_at(found, found.layers.find("act:-1"))
    halfway = halves.prefix(torch.randn(2, 3, 64, 64))
    assert [value.shape for value in halfway.live] == [(2, 2048)]
    assert isinstance(halves, SplitGraph)
    one = torch.arange(2048)[None, None] < 500
    each = halves.suffix(halfway.live, one.expand(1, 2, -1), torch.zeros(2048))
    torch.testing.assert_close(halves.suffix(halfway.live, one, torch.zeros(2048)), each, rtol=0, atol=0)


@of("resnet50")
def test_an_edit_does_not_move_past_a_second_use_of_the_value(case):
    found = case.trace
    axes = unit_axes(found.graph_module.graph)
    block_output = found.nodes[found.layers.find("layer1.0.relu_2").name]
    assert commuting_ops(block_output, axes) == ()


class Branching(nn.Module):
    """Branches on values, so it can't be exported."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Linear(5, 4)

    def forward(self, x):
        y = self.relu(self.conv(x))
        y = y * 2 if x.mean() > 0 else y
        return self.head(y.mean((2, 3)))


@torch.no_grad()
def test_a_network_that_cannot_be_exported_is_edited_with_hooks():
    torch.manual_seed(1)
    module = Branching().eval()
    found = trace(module, (12, 12), name="branching")
    assert isinstance(found, HookedTrace)
    layer = found.layers.find("relu")
    halves = split_at(found, layer)
    assert isinstance(halves, HookedSplit)
    images = torch.randn(4, 3, 12, 12)
    halfway = halves.prefix(images)
    torch.testing.assert_close(halfway.responses, torch.relu(module.conv(images)).mean((2, 3)))
    removed, fill = torch.rand(2, 4, 5) < 0.5, torch.rand(5)
    logits = halves.suffix(halfway.live, removed, fill)
    for variant in range(2):
        for image in range(4):
            maps = torch.relu(module.conv(images[image : image + 1]))
            maps[0, removed[variant, image]] = fill[removed[variant, image], None, None]
            maps = maps * 2 if images[image].mean() > 0 else maps
            torch.testing.assert_close(logits[variant, image], module.head(maps.mean((2, 3)))[0])


class Windows(nn.Module):
    """Attention over windows: some live values have the windows of all images on their first axis."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, x):
        windows = x.unflatten(2, (2, -1)).permute(0, 2, 1, 3, 4).flatten(0, 1).mean((1, 2, 3))
        y = self.relu(self.conv(x))
        twice = y.mean((2, 3))[:, None].expand(-1, 2, -1).flatten(0, 1)
        return self.head((twice * torch.tanh(windows)[:, None]).unflatten(0, (-1, 2)).sum(1))


@torch.no_grad()
def test_a_graph_with_live_values_without_an_image_axis_is_run_whole():
    torch.manual_seed(2)
    module, images = Windows().eval(), torch.randn(3, 3, 8, 8)
    found = trace(module, (8, 8), name="windows")
    layer = found.layers.find("relu")
    halves = split_at(found, layer)
    halfway = halves.prefix(images)
    removed, fill = torch.rand(2, 3, 6) < 0.5, torch.rand(6)
    logits = halves.suffix(halfway.live, removed, fill)
    for variant in range(2):
        torch.testing.assert_close(logits[variant], by_hand(found, layer, images, removed[variant], fill))
    assert isinstance(halves, UnsplitGraph)


class Idle(nn.Module):
    """One of its layers is not used."""

    def __init__(self):
        super().__init__()
        self.conv, self.side, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3))), torch.relu(self.side(x))


def test_a_layer_without_a_path_to_the_logits_is_refused():
    found = trace(Idle().eval(), (8, 8), name="idle")
    with pytest.raises(NetworkError, match="layer 'side' has no path to the logits of idle"):
        split_at(found, found.layers.find("side"))


def test_a_network_without_logits_is_refused():
    found = trace(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).eval(), (8, 8), name="maps")
    with pytest.raises(NetworkError, match="maps returns no logits"):
        split_at(found, found.layers.find("act:1"))


@pytest.mark.parametrize(
    ("case", "address", "expected"),
    [
        ("squeezenet1_0", "features.12", "features.12.cat"),
        ("resnet50", "layer4", "layer4.2.relu_2"),
    ],
    indirect=["case"],
)
def test_a_container_module_addresses_its_output(case, address, expected):
    assert case.trace.layers.find(address).name == expected


@pytest.mark.parametrize("shape", ["maps", "vectors"])
def test_the_prefix_tells_which_maps_have_a_value_other_than_zero(shape):
    class Kept(nn.Module):
        def __init__(self):
            super().__init__()
            self.same, self.act, self.head = nn.Conv2d(3, 3, 1, bias=False), nn.Hardtanh(-9, 9), nn.Linear(3, 2)
            nn.init.dirac_(self.same.weight)

        def forward(self, x):
            x = self.same(x)
            seen = self.act(x if shape == "maps" else x.amax((2, 3)))
            return self.head(seen.mean((2, 3)) if shape == "maps" else seen)

    x = torch.zeros(4, 3, 16, 16)
    x[0, 0, 3, 4], x[1, 1, 0, 0], x[2, 2], x[3, 0, :, :8], x[3, 0, :, 8:] = 0.5, -0.25, 1, 2, -2
    traced = trace_of(unitscope.load(Kept().eval(), preprocess=PHI))
    found = split_at(traced, traced.layers.find("act")).prefix(x)
    kept = x if shape == "maps" else x.amax((2, 3), keepdim=True)
    assert found.nonzero.tolist() == (kept != 0).flatten(2).any(2).tolist()
    assert found.responses[3, 0] == (0 if shape == "maps" else 2)
