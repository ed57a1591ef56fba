"""xarray selects from the arrays of an atlas by name."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from unitscope.atlas.coordinates import with_coordinates
from unitscope.errors import LayerError
from unitscope.units import Layer, LayerTable

RESPONSES = np.arange(40, dtype=np.float32).reshape(5, 8)


@pytest.fixture
def atlas(make_atlas):
    return make_atlas(RESPONSES, layers={"conv": 3, "relu": 5}, labels=["cat", "dog", "cat", "dog", "cat,dog"])


def test_responses_are_selected_by_image_unit_and_layer(atlas):
    responses = atlas.dataset["responses"]
    np.testing.assert_array_equal(responses.sel(image="00003.png"), RESPONSES[3])
    np.testing.assert_array_equal(responses.sel(unit="relu:4"), RESPONSES[:, 7])
    np.testing.assert_array_equal(responses.sel(layer="relu"), RESPONSES[:, 3:])
    np.testing.assert_array_equal(responses.sel(image=["00001.png"], unit=["relu:0", "conv:2"]), RESPONSES[1:2, [3, 2]])
    assert responses.sel(layer="relu")["channel"].values.tolist() == [0, 1, 2, 3, 4]


def test_summaries_are_selected_by_class_and_rank(atlas):
    chosen = {"class": "dog", "unit": "relu:4"}
    assert atlas.dataset["class_sums"].sel(chosen) == RESPONSES[[1, 3, 4], 7].sum()
    assert atlas.dataset["top_images"].sel(unit="relu:4", rank=1) == 4


def test_a_selection_by_name_equals_the_atlas_s_own(atlas):
    np.testing.assert_array_equal(atlas.dataset["responses"].sel(layer="relu"), atlas.responses("relu"))
    means = atlas.dataset["mean"].groupby("layer").mean()
    np.testing.assert_allclose(means, atlas.units.groupby("layer")["mean"].mean())


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"unit": "rilu:4"}, "no layer 'rilu'; closest: 'relu'"),
        ({"unit": "relu:9"}, "there is no unit 9"),
        ({"layer": "rilu"}, "no layer 'rilu'; closest: 'relu'"),
    ],
)
def test_an_unknown_unit_or_layer_names_the_closest(atlas, chosen, message):
    with pytest.raises(LayerError, match=message):
        atlas.dataset.sel(chosen)


def test_an_atlas_without_labels_has_no_classes(make_atlas):
    dataset = make_atlas(RESPONSES).dataset
    assert set(dataset.coords) == {"image", "unit", "layer", "channel", "rank"}


def test_names_are_added_without_reading_an_array(atlas):
    assert not any(array.variable._in_memory for array in atlas.dataset.data_vars.values())


LAYERS = LayerTable(
    (
        Layer(0, "features.0", "activation", 2, (2, 7, 7), aliases=("act:1", "conv1_1")),
        Layer(1, "pool", "pool", 3, (3,)),
    ),
    "tiny",
)
TOP = xr.Dataset({"top_values": (("rank", "unit"), np.arange(10.0).reshape(2, 5))})
NAMED = with_coordinates(TOP, LAYERS, {})["top_values"]


@pytest.mark.parametrize("unit", ["features.0:1", "act:1:1", "act:-1:1", "conv1_1:1"])
def test_a_unit_is_found_by_any_address(unit):
    assert NAMED.sel(unit=unit, rank=2) == 6
    assert NAMED.sel(layer=unit.rpartition(":")[0], rank=2)[1] == 6


def test_units_of_activation_calls_are_written_by_number_and_others_by_name():
    assert NAMED["unit"].values.tolist() == ["act:1:0", "act:1:1", "pool:0", "pool:1", "pool:2"]
    assert NAMED["layer"].values.tolist() == ["features.0"] * 2 + ["pool"] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.isel(unit=slice(1, 4)),
        lambda array: array.sortby("unit", ascending=False),
        lambda array: array.copy(deep=True),
        lambda array: pickle.loads(pickle.dumps(array)),
        lambda array: xr.concat([array.sel(layer="pool"), array.sel(layer="act:1")], "unit"),
        lambda array: array + array,
        lambda array: array.sel(unit=slice("conv1_1:1", "pool:2")),
    ],
)
def test_names_stay_after_what_users_do_with_an_array(change):
    changed = change(NAMED)
    assert changed.sel(unit="act:1:1").shape == (2,)
    assert changed.sel(layer="pool").sizes["unit"] >= 2


def test_coordinates_need_no_torch(atlas):
    code = (
        "import sys, unitscope\n"
        f"unitscope.open_atlas({str(atlas.path)!r}).dataset['responses'].sel(unit='relu:4').load()\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0
