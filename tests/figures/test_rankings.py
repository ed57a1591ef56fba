import numpy as np
import pandas as pd
import pytest

from unitscope.analyses.inhibition import Inhibition
from unitscope.analyses.layer_list import LayerList
from unitscope.analyses.layer_overlap import LayerOverlap
from unitscope.analyses.nearest_images import NearestImages
from unitscope.analyses.unit_correlation import SimilarUnits
from unitscope.analyses.unit_responses import UnitResponses
from unitscope.figures import draw
from unitscope.units import Layer

from .conftest import assert_tidy, at_each_width, texts

LAYER = Layer(0, "layer4.2.relu_2", "activation", 512, (512, 7, 7), aliases=("act:49",))


def correlated(count, *, low=0.0):
    values = np.linspace(0.9, low, count)
    return SimilarUnits(LAYER, 7, 1024, pd.DataFrame({"unit": np.arange(count), "correlation": values}))


def nearest(groups, *, name="n01440764/{}.JPEG"):
    table = pd.DataFrame({"image": [name.format(n) for n in range(9)], "label": ["tench", ""] * 4 + ["tench"]})
    table = table.assign(rank=range(1, 10), similarity=np.linspace(1, 0.5, 9))
    return NearestImages(LAYER, {f"class:{'x' * 200 if n else 'hen'} {n}": table for n in range(groups)})


def inhibited(p_values):
    table = pd.DataFrame({"unit": range(len(p_values)), "effect_size": np.linspace(-1, 0.5, len(p_values))})
    return Inhibition(
        LAYER, "person", "map contrast", ("a", "b"), 9, 0, table.assign(p_corrected=p_values, images=2)
    )  # fmt: skip


def responses(classes, *, name="class {}"):
    names = [name.format(n) for n in range(classes)]
    table = pd.DataFrame({"label": names, "name": names, "images": 5, "mean": np.linspace(2, 0.1, classes)})
    return UnitResponses(LAYER, 3, np.linspace(0, 3, 61), np.arange(60) * 1000, table)


def overlap(layers, *, names=("class:hen", "class:tench")):
    table = pd.DataFrame({"layer": [f"layer{n}.relu_2" for n in range(layers)], "shared": np.arange(layers) % 9})
    named = tuple(Layer(n, name, "activation", 9, (9,)) for n, name in enumerate(table["layer"]))
    return LayerOverlap(names, 9, table.assign(expected=0.5, p_value=0.1, cosine=np.linspace(1, 0.5, layers)), named)


@at_each_width
@pytest.mark.parametrize(
    "found",
    [
        correlated(0), correlated(1), correlated(8, low=-0.9), correlated(200),
        nearest(1), nearest(3), nearest(2, name="folder/" * 60 + "{}.png"),
        inhibited([0.01, 0.2, 1.0]),
        responses(0), responses(1), responses(1000), responses(5, name="c" * 200 + "{}"),
        overlap(1), overlap(45), overlap(5, names=tuple(f"class:{'x' * 40}{n}" for n in range(9))),
        LayerList("torchvision:resnet50", (LAYER,) * 49),
    ],
    ids=lambda found: found.kind,
)  # fmt: skip
def test_no_text_overlaps_or_is_clipped(found, width):
    assert_tidy(draw(found, width=width))


@at_each_width
def test_a_title_can_be_replaced_or_left_out(width):
    own, other, none = (draw(correlated(3), width=width, title=title) for title in (None, "Another title", ""))
    assert texts(own)[0][0].startswith("Units most correlated with")
    assert texts(other)[0][0] == "Another title"
    assert texts(none)[0][0] == "Pearson's r of the responses to 1,024 images."
    assert none.get_size_inches()[1] < other.get_size_inches()[1]


def test_bars_are_in_ranking_order_with_names_and_values():
    figure = draw(correlated(5, low=0.1))
    (axes,) = figure.axes
    ordered = sorted(axes.patches, key=lambda bar: bar.get_y())
    np.testing.assert_allclose([bar.get_width() for bar in ordered], np.linspace(0.9, 0.1, 5))
    assert axes.yaxis_inverted()
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"unit {n}" for n in range(5)]
    shown = [text for text, _ in texts(figure)]
    assert {"0.9000", "0.1000"} <= set(shown)
    assert "Pearson's r of the responses to 1,024 images." in shown


def test_a_long_ranking_is_truncated_with_a_note():
    figure = draw(correlated(200))
    assert len(figure.axes[0].patches) == 40
    assert any(text.endswith("The first 40 of 200.") for text, _ in texts(figure))


def test_units_that_are_not_significant_are_pale():
    bars = sorted(draw(inhibited([0.01, 0.2, 1.0])).axes[0].patches, key=lambda bar: bar.get_y())
    assert [bar.get_alpha() for bar in bars] == [1.0, 0.35, 0.35]


def test_each_group_has_its_own_nearest_images():
    figure = draw(nearest(2))
    assert len(figure.axes) == 2
    assert figure.axes[0].get_yticklabels()[0].get_text() == "n01440764/0.JPEG (tench)"
    assert figure.axes[0].get_yticklabels()[1].get_text() == "n01440764/1.JPEG"


def test_responses_are_a_histogram_above_the_largest_class_means():
    histogram, means = draw(responses(1000)).axes
    assert [bar.get_height() for bar in histogram.patches] == list(range(0, 60_000, 1000))
    assert len(means.patches) == 20
    assert len(draw(responses(0)).axes) == 1


def test_an_overlap_shows_shared_units_beside_those_expected():
    shared, cosine = draw(overlap(12)).axes
    assert [bar.get_height() for bar in shared.patches] == [n % 9 for n in range(12)]
    np.testing.assert_array_equal(shared.lines[0].get_ydata(), 0.5)
    np.testing.assert_allclose(cosine.lines[0].get_ydata(), np.linspace(1, 0.5, 12))


def test_bars_of_nan_are_empty_and_do_not_hide_the_others():
    (axes,) = draw(
        SimilarUnits(LAYER, 7, 9, pd.DataFrame({"unit": range(4), "correlation": [5, np.nan, np.inf, 1]}))
    ).axes
    assert [bar.get_width() for bar in axes.patches] == [5, 0, 0, 1]
    assert axes.get_xlim()[1] > 5
    assert_tidy(axes.figure)
