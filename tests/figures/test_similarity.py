import re

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba

from unitscope.analyses.cosines import clustered_order, cosines, tree
from unitscope.display.heatmaps import COLOUR_MAP
from unitscope.errors import UnitscopeError
from unitscope.figures import layer_similarity, similarity, similarity_by_layer, theme
from unitscope.figures.heatmap import branches, scale
from unitscope.units import Layer

from .conftest import assert_tidy, at_each_width, pixels, texts


def matrix_of(count, *, silent=(), seed=0):
    vectors = np.random.default_rng(seed).random((count, 5)) ** 3
    vectors[list(silent)] = 0
    return cosines(vectors)


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(
    ("count", "name"),
    [
        (2, "tench"),
        (3, "a folder/of pictures/" * 9 + "{}.jpg"),
        (12, "n{:08d}/image.JPEG"),
        (28, "Greater Swiss Mountain dog · {}.jpg"),
        (90, "{} $1" + "n" * 200),
    ],
)
@at_each_width
def test_no_text_of_a_heat_map_overlaps_or_is_clipped(count, name, clustered, width):
    matrix = matrix_of(count, silent=[1])
    names = [name.format(number) for number in range(count)]
    branches = tree(matrix) if clustered else None
    assert_tidy(similarity(matrix, names, tree=branches, title="$1 of a network " * 20, width=width))


def test_a_single_group_is_drawn_without_branches():
    matrix = matrix_of(1)
    assert_tidy(figure := similarity(matrix, ["alone"], tree=tree(matrix)))
    assert len(figure.axes) == len(similarity(matrix, ["alone"]).axes)


def test_cells_show_their_values_if_large_enough():
    matrix = matrix_of(4, silent=[2])
    matrix[0, 1] = matrix[1, 0] = -0.126
    figure = similarity(matrix, list("abcd"))
    assert written(figure)[:4] == ["1.00", "−0.13", "–", f"{matrix[0, 3]:.2f}"]
    assert len(written(figure)) == 16
    assert written(similarity(matrix_of(29), [str(n) for n in range(29)])) == []


def test_values_have_enough_contrast_with_their_cells():
    matrix = matrix_of(12)
    figure = similarity(matrix, [str(number) for number in range(12)])
    shown, axes = pixels(figure), figure.axes[0]
    axes_box = axes.get_window_extent()
    for text in axes.texts:
        x, y = axes.transData.transform(text.get_position())
        cell = shown[int(len(shown) - y) + 28, int(x) - 28] / 255
        ink = np.array([int(text.get_color()[n : n + 2], 16) for n in (1, 3, 5)]) / 255
        assert contrast(cell, ink) > 3, (text.get_text(), text.get_color())
    assert axes_box.width == pytest.approx(axes_box.height, abs=1)


def contrast(one, other):
    """Contrast ratio of two colours, after the Web Content Accessibility Guidelines 2."""
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (one, other)]
    dark, light = sorted(float(c @ [0.2126, 0.7152, 0.0722]) for c in linear)
    return (light + 0.05) / (dark + 0.05)


def test_colours_span_the_values_off_the_diagonal():
    matrix = np.array([[1, 0.2, 0.5], [0.2, 1, 0.3], [0.5, 0.3, 1]])
    assert (scale(matrix).vmin, scale(matrix).vmax) == (0.2, 0.5)
    alike = scale(np.ones((3, 3)))
    assert alike.vmin < 1 < alike.vmax
    assert np.isfinite([scale(np.full((2, 2), np.nan)).vmin, scale(np.ones((1, 1))).vmax]).all()


def test_the_diagonal_is_grey_unless_it_has_no_value():
    cells = drawn_cells(similarity(matrix_of(6, silent=[2]), list("abcdef")))
    diagonal = np.diagonal(cells).T
    np.testing.assert_allclose(diagonal[[0, 1, 3, 4, 5]], [to_rgba(theme.FRAME)] * 5)
    assert not cells[2, 2, 3]
    assert not np.isclose(cells[~np.eye(6, dtype=bool)], to_rgba(theme.FRAME)).all(1).any()


def test_the_extreme_values_off_the_diagonal_have_the_end_colours():
    matrix = np.array([[1, 0.2, 0.5], [0.2, 1, 0.3], [0.5, 0.3, 1]])
    cells, colours = drawn_cells(similarity(matrix, list("abc"))), colormaps[COLOUR_MAP]
    np.testing.assert_allclose(cells[0, 1], colours(0.0))
    np.testing.assert_allclose(cells[0, 2], colours(1.0))


def drawn_cells(figure):
    """Colours of a heat map's cells, ``[row, row, RGBA]``."""
    return np.asarray(figure.axes[0].collections[0].get_array())


def test_a_clustered_map_has_rows_and_names_in_tree_order_and_a_dendrogram():
    matrix, names = matrix_of(9), [f"image {number}" for number in range(9)]
    figure = similarity(matrix, names, tree=tree(matrix))
    order = clustered_order(matrix)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [names[n] for n in order]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [names[n] for n in order]
    assert written(figure) == [f"{value:.2f}" for value in matrix[np.ix_(order, order)].ravel()]
    assert len(figure.axes[1].lines) == 8


def test_dendrogram_brackets_join_neighbours_at_the_heights_of_the_tree():
    joined = np.array([[0, 2, 0.1, 2], [1, 3, 0.4, 3]])
    first, second = branches(joined, np.array([1, 0, 2]))
    assert [each.tolist() for each in first] == [[0, 0.1, 0.1, 0], [1.5, 1.5, 2.5, 2.5]]
    assert [each.tolist() for each in second] == [[0, 0.4, 0.4, 0.1], [0.5, 0.5, 2, 2]]


def test_names_of_very_many_groups_are_thinned():
    figure = similarity(matrix_of(200), [str(number) for number in range(200)])
    assert len(figure.axes[0].get_yticklabels()) == 40


def test_the_map_of_layers_names_them_and_its_images():
    figure = layer_similarity(matrix_of(26), layers(26), images=1000, width="250mm")
    assert_tidy(figure)
    output = [text for text, _ in texts(figure)]
    assert output.count("layer4.25.relu_2") == 2
    narrow = layer_similarity(matrix_of(26), layers(26), images=1000, width="85mm")
    assert_tidy(narrow)
    assert {"act:1", "act:3", "act:25"} <= {text for text, _ in texts(narrow)}
    assert any("over 1,000 images" in text for text in output)
    silent = layer_similarity(matrix_of(3, silent=[0]), layers(3), images=9, shuffled=np.full((3, 3), 0.125))
    caption = " ".join(text for text, _ in texts(silent))
    assert "Blank" in caption
    assert "values reach 0.12 to 0.12" in caption
    assert re.search("of 1 pair of layers (is|are) above that", caption)


def layers(count):
    return [Layer(n, f"layer4.{n}.relu_2", "activation", 9, (9,), aliases=(f"act:{n + 1}",)) for n in range(count)]


@at_each_width
@pytest.mark.parametrize("count", [2, 4, 5])
@pytest.mark.parametrize("name", ["cat {}", "a folder/of pictures/" * 9 + "{}.jpg"])
@pytest.mark.parametrize("depth", [1, 60])
def test_no_text_of_curves_overlaps_or_is_clipped(count, name, depth, width):
    matrices = np.stack([matrix_of(count, seed=number) for number in range(depth)])
    names = [name.format(number) for number in range(count)]
    assert_tidy(similarity_by_layer(matrices, layers(depth), names=names, title="over depth $1 " * 20, width=width))


def test_each_pair_has_a_distinct_curve_with_its_names():
    matrices = np.stack([matrix_of(5, seed=number) for number in range(6)])
    figure = similarity_by_layer(matrices, layers(6), names=["v", "w", "x", "y", "z"])
    curves = figure.axes[0].lines
    np.testing.assert_array_equal(curves[0].get_ydata(), matrices[:, 0, 1])
    np.testing.assert_array_equal(curves[-1].get_ydata(), matrices[:, 3, 4])
    assert len({(line.get_marker(), line.get_linestyle()) for line in curves}) == 10
    keys = figure.artists
    assert [key.get_marker() for key in keys] == [line.get_marker() for line in curves]
    assert [key.get_color() for key in keys] == [line.get_color() for line in curves]
    assert [text.get_text() for text in figure.texts][1::9] == ["v – w", "y – z"]


def test_too_many_curves_are_refused():
    with pytest.raises(UnitscopeError, match="6 images or classes give 15 curves"):
        similarity_by_layer(np.ones((3, 6, 6)), layers(3), names=list("uvwxyz"))


def test_a_group_without_responses_is_blank_and_explained():
    figure = similarity(matrix_of(3, silent=[1]), list("abc"))
    assert "–: no unit" in " ".join(text for text, _ in texts(figure))
    FigureCanvasAgg(similarity_by_layer(np.full((2, 2, 2), np.nan), layers(2), names=list("cd"))).draw()
