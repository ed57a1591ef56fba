"""Outputs of layers as maps of rows and columns."""

import pytest
import torch

from unitscope.graph.spatial_maps import plane
from unitscope.units import Layer


def layer(shape, axis):
    return Layer(0, "layer", "activation", shape[axis - 1], shape, axis)


def test_units_are_moved_to_the_first_axis():
    maps = torch.randn(5, 3, 4)
    assert (plane(maps, layer((5, 3, 4), 1)) == maps.numpy()).all()
    assert (plane(maps.permute(1, 2, 0), layer((3, 4, 5), 3)) == maps.numpy()).all()


@pytest.mark.parametrize(("tokens", "expected"), [(9, (3, 3)), (10, (3, 3)), (12, (1, 12))])
def test_a_square_number_of_tokens_becomes_a_square_map(tokens, expected):
    output = torch.randn(tokens, 5)
    found = plane(output, layer((tokens, 5), 2))
    assert found.shape == (5, *expected)
    assert (found.reshape(5, -1) == output[tokens - found[0].size :].T.numpy()).all()


def test_a_single_number_is_a_map_of_one_cell():
    assert plane(torch.arange(4.0), layer((4,), 1)).tolist() == [[[0]], [[1]], [[2]], [[3]]]


@pytest.mark.parametrize("shape", [(5, 3, 4), (5, 9), (5,)])
@pytest.mark.parametrize("units", [[], [2], [4, 0]])
def test_selected_units_equal_those_of_all_units(shape, units):
    output, where = torch.randn(shape), layer(shape, 1)
    assert (plane(output, where, units) == plane(output, where)[units]).all()
    assert len(plane(output, where, units)) == len(units)
