"""Graphs without in-place ops: equal to PyTorch's own, with the values of the module."""

import pytest
import torch
from torch import nn
from torch.export import Dim
from torch.nn import functional as F

from unitscope.graph.functionalize import _rewritten, functional
from unitscope.graph.ops import op_name

SIZE = (2, 3, 8, 8)


def export(module):
    with torch.no_grad():
        return torch.export.export(
            module.eval(), (torch.randn(SIZE),), dynamic_shapes=({0: Dim("batch", max=64)},), strict=False
        )


def calls(module):
    """The ops of a graph module, without the batch size, which can be read anywhere."""
    ops = [node for node in module.graph.nodes if node.op == "call_function"]
    return [(str(node.target), tuple(node.meta["val"].shape) if hasattr(node.meta["val"], "shape") else None)
            for node in ops if op_name(node) != "sym_size"]  # fmt: skip


class Of(nn.Module):
    """A function as a module, after a convolution and a batch norm with non-trivial statistics."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.norm, self.function = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), function
        self.norm(torch.randn(8, 6, 4, 4) * 3 + 1)

    def forward(self, x):
        return self.function(self.norm(self.conv(x)), x)


def two_sums(x, _):
    y = F.relu(x, inplace=True)
    x += 1
    return (x * y).mean((2, 3))


def twice(x, _):
    before = x.sigmoid()
    x.mul_(2)
    x.add_(before)
    return torch.cat([x, F.hardtanh(x, -1, 1), before], 1)


REWRITTEN = {
    "activations": lambda x, _: F.gelu(F.silu(F.elu(F.leaky_relu(x, 0.1)), inplace=True)) - F.hardswish(x).tanh(),
    "in place": lambda x, _: F.hardsigmoid(F.elu_(F.leaky_relu_(F.hardtanh_(x, -2, 2), 0.2)), inplace=True),
    "pools": lambda x, _: F.avg_pool2d(F.max_pool2d(x, 2), 2).flatten(1),
    "dropout": lambda x, _: F.dropout(F.dropout(x, 0.5, False, True).relu_(), 0.5, False).sigmoid_(),
    "padded": lambda x, _: F.pad(x.relu_(), (0, 1, 2, 0)).view(x.shape[0], -1).sigmoid(),
    "a name for two steps": two_sums,
    "several steps": twice,
    "channels last": lambda x, _: F.layer_norm(x.permute(0, 2, 3, 1), (6,)).permute(0, 3, 1, 2),
}
LEFT = {
    "a view is modified": lambda x, _: (x.flatten(1).relu_(), x)[1],
    "what has a view is modified": lambda x, _: (x.permute(0, 2, 3, 1), x.relu_())[0],
    "a view of a view": lambda x, _: (x.flatten(1), x.add_(1), x.sigmoid_())[0],
    "what was padded by nothing is modified": lambda x, _: (F.pad(x, (0, 0)), x.relu_())[0],
    "the input is modified": lambda x, image: x.mean((2, 3)) + image.clone().relu_().mean(),
    "another dtype": lambda x, _: x.relu().mul_(torch.ones((), dtype=torch.float64)),
    "dropout that drops nothing": lambda x, _: F.dropout(x, 0.0, True).relu_(),
    "flattened from the start": lambda x, _: x.relu_().flatten(0).mean(0, keepdim=True),
    "statistics of the batch": lambda x, _: F.batch_norm(x, None, None, training=True).relu_(),
    "an op that is not known": lambda x, _: x.relu_().cumsum(1),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_graph_is_rewritten_as_by_pytorch(name):
    program = export(Of(REWRITTEN[name]))
    assert _rewritten(program.module().graph)
    with torch.no_grad():
        expected = calls(program.run_decompositions({}).module())
    copies = [call for call in expected if call[0] == "aten.clone.default"]  # PyTorch before 2.10 copies at a dropout
    assert calls(functional(program)) == [call for call in expected if call not in copies]


@pytest.mark.parametrize("name", LEFT)
def test_other_graphs_are_left_to_pytorch(name):
    assert not _rewritten(export(Of(LEFT[name])).module().graph)


@pytest.mark.parametrize("name", REWRITTEN | LEFT)
def test_values_equal_those_of_the_module(name):
    module = Of((REWRITTEN | LEFT)[name]).eval()
    x = torch.randn(3, *SIZE[1:])
    with torch.no_grad():
        graph = functional(export(module))
        for node in graph.graph.nodes:
            assert not op_name(node).endswith("_")
        assert torch.equal(graph(x.clone()), module(x.clone()))
