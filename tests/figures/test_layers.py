import numpy as np
import pandas as pd
import pytest

from unitscope.errors import UnitscopeError
from unitscope.figures import layer_summary
from unitscope.figures.layers import decades, labelled_positions

from .conftest import assert_tidy, texts


def table(layers, *, units=40, spread=0.5, shift=0.0, name="layer{}.relu_2"):
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame(
            {
                "layer": name.format(number),
                "layer_index": number,
                "channel": range(units),
                "mean": rng.lognormal(0, spread, units) + shift,
                "std": 1.0,
                "max": 3.0,
                "zero_fraction": rng.random(units),
                "dead": np.arange(units) < number % 3,
            }
        )
        for number in range(layers)
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    "units",
    [
        table(1),
        table(5, spread=3),
        table(13, shift=-1.2),
        table(13, spread=3, shift=-1),
        table(200, units=8, name="features.denseblock4.denselayer{}.relu2", spread=2),
        table(60, name="n" * 200 + "{}", spread=6),
        table(7).assign(mean=0.0, zero_fraction=1.0, dead=True),
        table(7).assign(mean=np.nan, zero_fraction=np.nan),
        table(7).assign(mean=1e-12),
        table(7).assign(mean=3.25e8),
    ],
    ids=lambda units: f"{units.layer_index.nunique()}-layers",
)
def test_no_text_overlaps_or_is_clipped(units):
    assert_tidy(layer_summary(units, title="torchvision:resnet50 over val: $1 " * 8))


def test_charts_show_layers_in_network_order_for_any_order_of_rows():
    units = table(6)
    figure = layer_summary(units.sample(frac=1, random_state=0))
    assert len(figure.axes) == 4
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    labels = [label.get_text() for label in figure.axes[3].get_xticklabels()]
    assert labels == [f"layer{number}.relu_2" for number in range(6)]


def test_charts_show_counts_medians_and_dead_units():
    units = table(6)
    counts, means, zeros, dead = layer_summary(units).axes
    assert [bar.get_height() for bar in counts.patches] == [40] * 6
    assert [bar.get_height() for bar in dead.patches] == [0, 1, 2, 0, 1, 2]
    for axes, name in ((means, "mean"), (zeros, "zero_fraction")):
        expected = [np.median(units[name][units.layer_index == number]) for number in range(6)]
        np.testing.assert_allclose(axes.lines[0].get_ydata(), expected)
    assert "Dead units: 6 of 240" in [text for text, _ in texts(counts.figure)]


def test_a_wide_range_of_means_has_a_log_like_axis_and_a_narrow_one_a_linear_axis():
    assert layer_summary(table(5, spread=3)).axes[1].get_yscale() == "symlog"
    assert layer_summary(table(5, spread=0.2)).axes[1].get_yscale() == "linear"
    assert decades(np.array([0.002, 0.01, 9.0])) == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10])
    assert decades(np.zeros(3)) == []


@pytest.mark.parametrize("count", [1, 40, 41, 200])
def test_layer_names_are_thinned_evenly(count):
    shown = labelled_positions(count)
    assert shown[0] == 0
    assert len(shown) <= 40
    assert len(set(np.diff(shown))) <= 1


def test_a_table_without_a_required_column_is_refused():
    with pytest.raises(UnitscopeError, match="the unit table lacks 'mean', 'dead'"):
        layer_summary(table(2).drop(columns=["mean", "dead"]))


def test_an_empty_table_is_refused():
    with pytest.raises(UnitscopeError, match="the unit table has no rows"):
        layer_summary(table(2).iloc[:0])
