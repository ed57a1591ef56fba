import numpy as np
import pandas as pd
import pytest

from unitscope.analyses.sparsity import Distribution, Sparsity
from unitscope.analyses.sparsity_by_layer import SparsityByLayer
from unitscope.figures import sparsity, sparsity_by_layer
from unitscope.units import Layer

from .conftest import assert_tidy, at_each_width, texts

EDGES = np.linspace(0, 2, 21)


def distribution(name, *, images=50, spread=1.0, units=300):
    means = np.minimum(np.random.default_rng(len(name)).gamma(0.3, spread, units), 2)
    return Distribution(name, images, means, np.histogram(means, EDGES)[0], 0.125, 0.731, 0.5, 0.2)


def found(*classes, layer="layer4.2.relu_2", edges=EDGES, overall=None):
    overall = overall or distribution("all images", images=50_000)
    nothing = pd.DataFrame()
    dead = np.array([3, 5])
    return Sparsity(
        Layer(0, layer, "activation", 300, (300, 7, 7)), 0.42, dead, edges, overall, classes, nothing, nothing
    )


def depth(layers, *, name="layer{}.relu_2"):
    rng = np.random.default_rng(0)
    names = ("zero_fraction", "gini", "hoyer", "treves_rolls", "lifetime_treves_rolls", "lifetime_hoyer")
    table = pd.DataFrame({column: rng.random(layers) for column in names})
    return table.assign(layer=[name.format(n) for n in range(layers)], units=64, dead=np.arange(layers) % 3)


def by_layer(table):
    layers = tuple(Layer(n, name, "activation", 64, (64,)) for n, name in enumerate(table["layer"]))
    return SparsityByLayer("torchvision:resnet50", layers, table)


CLASSES = [distribution(name, images=n) for n, name in enumerate(("ant", "Siamese cat", "pug", "c" * 200, "$x$", "虎"))]


@at_each_width
@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_no_text_overlaps_or_is_clipped(count, width):
    assert_tidy(sparsity(found(*CLASSES[:count], layer="l" * (200 if count == 3 else 9)), width=width))


@pytest.mark.parametrize(
    "edges", [EDGES - 1, EDGES * 1e-7, EDGES * 3e6, np.linspace(0, 1, 2)], ids=["negative", "tiny", "huge", "one bin"]
)
def test_any_range_of_means_has_ticks(edges):
    counts = np.arange(len(edges) - 1) * 1000
    overall = Distribution("all images", 9, np.zeros(3), counts, 1.0, np.nan, np.nan, np.nan)
    assert_tidy(sparsity(found(overall, overall, edges=edges, overall=overall)))


def test_panels_show_histograms_on_the_same_axes_with_zeros_and_gini():
    figure = sparsity(found(*CLASSES[:2]))
    assert len(figure.axes) == 3
    assert len({(axes.get_xlim(), axes.get_ylim(), axes.get_yscale()) for axes in figure.axes}) == 1
    assert figure.axes[0].get_yscale() == "log"
    for axes, each in zip(figure.axes, found(*CLASSES[:2]).classes, strict=False):
        assert len(axes.patches) == len(each.histogram)
    heights = [bar.get_y() + bar.get_height() for bar in figure.axes[1].patches]
    np.testing.assert_allclose(heights, np.maximum(CLASSES[0].histogram, 0.7))
    output = [text for text, _ in texts(figure)]
    assert output.count("12.5% of units at zero, Gini 0.73") == 3
    assert "all images (50,000 images)" in output
    assert "Siamese cat (1 image)" in output
    assert "42.0% of all responses are exactly zero; 2 units are dead" in " ".join(output)


@at_each_width
@pytest.mark.parametrize("table", [depth(1), depth(33), depth(45, name="n" * 200 + "{}")], ids=len)
def test_no_text_of_the_curves_overlaps_or_is_clipped(table, width):
    assert_tidy(sparsity_by_layer(by_layer(table), title="torchvision:resnet50 over val", width=width))


def test_curves_show_the_table_and_rise_with_sparsity():
    table = depth(9)
    zeros, means, lifetime, dead = sparsity_by_layer(by_layer(table)).axes
    np.testing.assert_array_equal(zeros.lines[0].get_ydata(), table["zero_fraction"])
    for axes, shown in (
        (means, [table["gini"], table["hoyer"], 1 - table["treves_rolls"]]),
        (lifetime, [table["lifetime_hoyer"], 1 - table["lifetime_treves_rolls"]]),
    ):
        for line, values in zip(axes.lines, shown, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), values)
    assert [line.get_color() for line in lifetime.lines] == [line.get_color() for line in means.lines[1:]]
    assert [bar.get_height() for bar in dead.patches] == table["dead"].tolist()


def test_a_layer_without_lifetime_sparsity_leaves_a_gap():
    table = depth(5)
    table.loc[2, ["lifetime_hoyer", "lifetime_treves_rolls", "gini"]] = np.nan
    assert_tidy(sparsity_by_layer(by_layer(table)))
