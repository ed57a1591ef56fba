"""Convolutions fused with clipping and sums: the same values, and no value still in use is overwritten."""

import pytest
import torch
from torch import nn

from unitscope.graph import trace
from unitscope.graph.ops import op_name
from unitscope.graph.passes.fold_batch_norm import fold_batch_norms
from unitscope.graph.passes.fuse_conv import can_fuse, fuse_convolutions

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


def images():
    return torch.randn(4, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def pooled(x):
    return nn.functional.max_pool2d(x, 3, 1, 1)


class Block(nn.Module):
    """Three convolutions of one size; each test defines how they are combined."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first, self.second = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(2))
        self.bias = nn.Parameter(torch.randn(1, 8, 1, 1))


class Plain(Block):
    def forward(self, x):
        return self.second(self.first(self.stem(x).relu()).clamp(0, 6).sigmoid())


class Clipped(Block):
    def __init__(self):
        super().__init__()
        self.relu6 = nn.ReLU6()
        self.stem.weight.data *= 30

    def forward(self, x):
        x = self.second(self.relu6(self.stem(x)))
        return nn.functional.hardtanh(self.first(nn.functional.hardtanh(x)), -0.2, 0.3)


class Residual(Block):
    def forward(self, x):
        x = self.stem(x).relu()
        x = (self.first(pooled(x)) + x).relu()
        return (self.second(pooled(x)) + x).mean((2, 3))


class BothConvolved(Block):
    def forward(self, x):
        x = self.stem(x).relu()
        return (self.first(x) + self.second(x)).relu()


class AddsWhatItConvolves(Block):
    def forward(self, x):
        x = self.stem(x).relu()
        return self.first(x) + x


class ReadAfterwards(Block):
    def forward(self, x):
        x = self.stem(x).relu()
        return (self.first(pooled(x)) + x) * self.second(x)


class LookedInto(Block):
    def forward(self, x):
        x = self.stem(x).relu()
        part = x[:, 2:4]
        return (self.first(pooled(x)) + x).mean((2, 3)) + part.mean((1, 2, 3))[:, None]


class AddsTheImages(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.convolution(pooled(x)) + x


class AddsOneForAll(Block):
    def forward(self, x):
        return self.first(self.stem(x)) + self.bias


class AddsMeans(Block):
    def forward(self, x):
        x = self.stem(x).relu()
        return self.first(pooled(x)) + x.mean((2, 3), keepdim=True)


class AddsTheirNumber(Block):
    def forward(self, x):
        return self.first(self.stem(x)) + (x.shape[0] + 1)


class AddsTwice(Block):
    def forward(self, x):
        x = self.stem(x).relu()
        return torch.add(self.first(pooled(x)), x, alpha=2) + 1


class Dilated(Block):
    def forward(self, x):
        x = nn.functional.conv2d(self.stem(x), self.first.weight[:, :4].detach(), None, 2, 1, 1, 2)
        return nn.functional.conv2d(x, self.second.weight, self.second.bias, (1, 2), 2, 2).relu()


def counted(graph_module):
    """Numbers of convolutions fused with a sum, of other oneDNN convolutions, and of PyTorch's."""
    names = [str(node.target) for node in graph_module.graph.nodes]
    kinds = ("mkldnn._convolution_pointwise_.", "mkldnn._convolution_pointwise.", "aten.conv2d.")
    return tuple(sum(name.startswith(kind) for name in names) for kind in kinds)


def clips(graph_module):
    """Clipping ops that follow a convolution without being fused."""
    return [
        node
        for node in graph_module.graph.nodes
        if op_name(node) in ("relu", "hardtanh") and "convolution" in op_name(node.args[0])
    ]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Plain, (0, 3, 0)),
        (Clipped, (0, 3, 0)),
        (Residual, (2, 1, 0)),
        (BothConvolved, (1, 2, 0)),
        (AddsWhatItConvolves, (0, 2, 0)),
        (ReadAfterwards, (0, 3, 0)),
        (LookedInto, (0, 2, 0)),
        (AddsTheImages, (0, 1, 0)),
        (AddsOneForAll, (0, 2, 0)),
        (AddsMeans, (0, 2, 0)),
        (AddsTheirNumber, (0, 2, 0)),
        (AddsTwice, (0, 2, 0)),
        (Dilated, (0, 2, 1)),
    ],
)
def test_values_equal_those_of_the_module(kind, wanted):
    module = kind().eval()
    found = trace(module, (12, 12), name=kind.__name__)
    layers = found.layers.match(("*",))
    x = images().contiguous(memory_format=torch.channels_last)
    given = x.clone()
    with torch.inference_mode():
        plain, fused = found.tapped(responses=layers), fuse_convolutions(found.tapped(responses=layers[-1:]))
        assert counted(fused) == wanted
        assert not clips(fused)
        expected, responses = plain(x)[1][:, -layers[-1].units :], fused(x)[1]
        for _ in range(2):  # what is overwritten must not be kept either
            torch.testing.assert_close(responses, fused(x)[1], rtol=0, atol=0)
    assert expected.std() > 1e-3
    torch.testing.assert_close(responses, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(x, given)
    assert can_fuse()


def test_a_returned_map_is_not_overwritten():
    module = Residual().eval()
    found = trace(module, (12, 12), name="residual")
    layers = found.layers.activations
    x = images()
    with torch.inference_mode():
        fused = fuse_convolutions(found.tapped(responses=layers, maps=layers))
        _, _, *maps = fused(x)
        wanted = [module.stem(x).relu()]
        wanted.append((module.first(pooled(wanted[0])) + wanted[0]).relu())
    assert counted(fused) == (0, 3, 0)
    assert len(maps) == 2
    for given, expected in zip(maps, wanted, strict=True):
        torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-6)


def test_a_tapped_layer_is_not_fused_away():
    module = Residual().eval()
    found = trace(module, (12, 12), name="residual")
    layers = found.layers.match(("*",))
    x = images()
    with torch.inference_mode():
        fused = fuse_convolutions(found.tapped(responses=layers))
        torch.testing.assert_close(fused(x)[1], found.tapped(responses=layers)(x)[1], rtol=1e-5, atol=1e-6)
    assert counted(fused)[2] == 0


def test_padding_given_by_name_is_kept_and_its_norm_folded():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same", bias=False), nn.BatchNorm2d(8), nn.ReLU())
    module(torch.randn(8, 3, 12, 12))
    found = trace(module.eval(), (12, 12), name="same")
    x = images()
    with torch.inference_mode():
        fused = fuse_convolutions(fold_batch_norms(found.tapped(responses=found.layers.activations)))
        torch.testing.assert_close(fused(x)[1], module(x).mean((2, 3)), rtol=1e-5, atol=1e-6)
    assert "native_batch_norm_legit_no_training" not in [op_name(node) for node in fused.graph.nodes]


def test_nan_weights_give_nan_results():
    module = Residual().eval()
    with torch.no_grad():
        module.stem.weight[3] = torch.nan
    found = trace(module, (12, 12), name="broken")
    fused = fuse_convolutions(found.tapped(responses=found.layers.activations))
    with torch.inference_mode():
        responses = fused(images())[1]
    assert responses[:, 3].isnan().all()
    assert responses[:, 8:].isnan().all()
    assert not responses[:, :3].isnan().any()
