import numpy as np
import pandas as pd
import pytest

from unitscope.errors import UnitscopeError
from unitscope.figures import layer_summary
from unitscope.figures.layer_axis import LayerAxis, thinned
from unitscope.figures.layers import decades
from unitscope.units import Layer

from .conftest import assert_tidy, at_each_width, texts


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


@at_each_width
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
def test_no_text_overlaps_or_is_clipped(units, width):
    assert_tidy(layer_summary(units, title="torchvision:resnet50 over val: $1 " * 8, width=width))


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


def named(count, *, call=True):
    return [
        Layer(n, f"layer{n}.relu_2", "activation", 9, (9,), aliases=(f"act:{n + 1}",) if call else ())
        for n in range(count)
    ]


def test_all_layers_are_named_where_the_names_fit():
    axis = LayerAxis.of(named(20), 600)
    assert axis.upright
    assert axis.names == [layer.name for layer in named(20)]


@pytest.mark.parametrize("count", [49, 200, 1000])
def test_layers_with_numbers_are_named_by_them_at_round_numbers(count):
    axis = LayerAxis.of(named(count), 600)
    assert not axis.upright
    assert axis.names == [f"act:{position + 1}" for position in axis.positions]
    steps = set(np.diff([position + 1 for position in axis.positions if position]))
    assert len(steps) <= 1
    assert steps <= {5, 10, 20, 50, 100, 200, 500}


@pytest.mark.parametrize("count", [49, 200])
def test_names_of_layers_without_numbers_are_thinned_evenly(count):
    axis = LayerAxis.of(named(count, call=False), 600)
    assert axis.upright
    assert axis.positions[0] == 0
    assert len(set(np.diff(axis.positions))) == 1


def test_the_first_call_is_named_if_the_next_name_is_far_enough():
    assert thinned([f"act:{n}" for n in range(1, 50)], 1200)[0] == 0
    assert thinned(["act:1"], 100) == [0]


def test_without_dead_units_there_is_no_panel_of_them():
    figure = layer_summary(table(3).assign(dead=False))
    assert len(figure.axes) == 3
    assert any(text.endswith("No unit is dead.") for text, _ in texts(figure))


def test_a_single_layer_has_a_narrow_panel():
    assert (
        layer_summary(table(1)).axes[0].get_position().width
        < 0.3
        < layer_summary(table(9)).axes[0].get_position().width
    )


def test_a_table_without_a_required_column_is_refused():
    with pytest.raises(UnitscopeError, match="the unit table lacks 'mean', 'dead'"):
        layer_summary(table(2).drop(columns=["mean", "dead"]))


def test_an_empty_table_is_refused():
    with pytest.raises(UnitscopeError, match="the unit table has no rows"):
        layer_summary(table(2).iloc[:0])
