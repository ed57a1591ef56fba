"""Stored results: reading, errors, and the notes on unit pages."""

import json

import numpy as np
import pytest

from unitscope.analyses.cka import LayerSimilarity
from unitscope.analyses.statistics import wilson
from unitscope.errors import UnitscopeError
from unitscope.units import Layer
from unitscope.web.measurements import Measurements

SETTING = {
    "layer": "relu",
    "scope": "dataset",
    "order": "high",
    "removed": 2,
    "units": [4, 1],
    "fraction": 0.5,
    "top1": None,
    "p_value": 0.04,
    "agreement": 0.75,
    "agreement_interval": [0.5, 0.9],
}
BASELINE = {"top1": None, "top1_correct": None, "top5": None, "top5_correct": None}
REMOVED = {"network": "net", "images": 1200, "data": "abc", "labelled": 0, "failed": 0, "baseline": BASELINE}
REMOVED["results"] = [SETTING]
CHANGED = {
    "network": "net",
    "images": 1,
    "data": "other",
    "prediction_flips": None,
    "settings": [
        {"perturbation": "jpeg", "value": 20, "prediction_flips": None, "flips_interval": None, "units": [unit]}
        for unit in [{"layer": "relu", "unit": 3, "map_correlation": None, "map_correlation_error": None}]
    ],
}


@pytest.fixture
def read(tmp_path):
    """Read what a file holds, as `--measurements` does."""

    def read(output):
        (tmp_path / "told.json").write_text(output if isinstance(output, str) else json.dumps(output))
        return Measurements.read([tmp_path / "told.json"], network="net", data="abc")

    return read


def test_a_units_page_lists_the_ablations_that_removed_it(read):
    results = read(REMOVED)
    for unit in range(6):
        assert len(results.removal_notes("relu", unit)) == (unit in (4, 1))
    assert results.removal_notes("tanh", 4) == ()
    removal = "Removing the 2 units with the highest responses (maps set to zero), on 1,200 images"
    assert results.removal_notes("relu", 4) == (f"{removal}: 75.0% of the predictions stay the same",)


def test_a_removal_of_nothing_is_no_evidence_on_a_units_page(read):
    note = "nothing was removed: all 2,400 maps were zero already"
    counts = {"maps_removed": 2400, "maps_zero": 2400, "maps_changed": 0, "activation": 0.0, "activation_total": 5.0}
    nothing = counts | {"top1": 0.5, "top1_interval": [0.4, 0.6], "p_value": None}
    (text,) = read({**REMOVED, "results": [SETTING | nothing]}).removal_notes("relu", 4)
    assert text.endswith(f"on 1,200 images: {note}")


@pytest.mark.parametrize("change", [{"order": "random", "seed": 0}, {"scope": "image", "units": None}])
def test_random_and_per_image_ablations_give_no_notes_on_a_unit(read, change):
    assert read({**REMOVED, "results": [SETTING | change]}).removal_notes("relu", 4) == ()


def test_images_other_than_the_atlass_are_reported(read):
    results = read({**REMOVED, "data": "other"})
    assert "1,200 images (not the atlas's images)" in results.removal_notes("relu", 4)[0]
    assert results.charts()[0].note == "1,200 images (not the atlas's images)"


def test_a_missing_value_is_a_gap_or_no_chart(read):
    (chart,) = read(CHANGED).charts()
    assert (chart.title, chart.x) == ("Correlation of maps before and after: jpeg", "JPEG quality")
    assert chart.note == "1 image (not the atlas's images)"
    (curve,) = chart.curves
    assert (curve.name, curve.x, curve.y, curve.above) == ("relu:3", (20,), (None,), (0.0,))


def test_curves_have_sorted_values_and_intervals(read):
    settings = [SETTING | {"fraction": share, "top1_correct": right} for share, right in ((0.5, 300), (0.25, 600))]
    settings.append(settings[0] | {"order": "random", "seed": 3})
    (chart,) = read({**REMOVED, "labelled": 1200, "results": settings}).charts()
    assert (chart.x_shares, chart.y) == (True, "Top-1")
    first, second = chart.curves
    assert (first.name, first.x, first.y) == ("high, by dataset", (0.25, 0.5), (0.5, 0.25))
    intervals = [wilson(600, 1200), wilson(300, 1200)]
    assert first.above == pytest.approx([high - y for (_, high), y in zip(intervals, first.y, strict=True)])
    assert first.below == pytest.approx([y - low for (low, _), y in zip(intervals, first.y, strict=True)])
    assert second.name == "random 3, by dataset"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("no JSON", "can't be read as JSON"),
        ("[]", "has no result that unitscope knows"),
        ("3", "has no result that unitscope knows"),
        ({"network": "net", "images": 3, "data": "abc"}, "has no result that unitscope knows"),
        ({name: value for name, value in REMOVED.items() if name != "data"}, "'ablation' result are incomplete"),
        ({**REMOVED, "results": [{n: v for n, v in SETTING.items() if n != "units"}]}, "'ablation' .* incomplete"),
    ],
)
def test_a_file_that_is_not_a_result_is_refused(read, output, message):
    with pytest.raises(UnitscopeError, match=message):
        read(output)


def test_other_results_are_shown_as_tables(read):
    matrix = np.array([[1.0, 0.123456], [0.123456, 1.0]])
    layers = tuple(Layer(number, name, "activation", 4, (4,)) for number, name in enumerate(("relu", "tanh")))
    (table,) = read(LayerSimilarity(layers, 30, matrix, "net").to_dict()).tables
    assert table.title == "Debiased linear CKA over 30 images"
    assert table.columns == ("", "layer", "1", "2")
    assert table.rows[0] == ("1", "relu", "1", "0.123")


def test_results_of_another_network_and_missing_files_are_refused(read, tmp_path):
    with pytest.raises(UnitscopeError, match="has results of another, but the atlas is of net"):
        read({**REMOVED, "network": "another"})
    with pytest.raises(UnitscopeError, match=r"no file '.*gone\.json'; make it with"):
        Measurements.read([tmp_path / "gone.json"], network="net", data="abc")


def test_different_measurements_are_separate_curves(read, tmp_path):
    settings = [SETTING | {"value": value, "fraction": share} for value in ("zero", "mean") for share in (0.25, 0.5)]
    (chart,) = read({**REMOVED, "results": settings}).charts()
    assert [curve.name for curve in chart.curves] == ["high, by dataset, to zero", "high, by dataset, to mean"]
    files = []
    for data in ("abc", "other"):
        files.append(tmp_path / f"{data}.json")
        files[-1].write_text(json.dumps({**REMOVED, "data": data, "results": [SETTING]}), "utf-8")
    (chart,) = Measurements.read(files, network="net", data="abc").charts()
    assert len(chart.curves) == 2


@pytest.mark.parametrize(
    "wrong", [{"top1_correct": "high"}, {"changed": "x"}, {"units": 7}, {"removed": None, "fraction": "x"}]
)
def test_invalid_values_are_refused_when_read(read, wrong):
    with pytest.raises(UnitscopeError, match=r"incomplete or invalid|contains invalid values"):
        read({**REMOVED, "labelled": 9, "results": [SETTING | wrong]})
