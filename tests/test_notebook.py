"""What each kind of public object shows of itself in a notebook or a console: little, and escaped."""

import json
import re
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pandas as pd
import pytest
from torch import nn

import unitscope
from tests.test_results import LAYERS, MADE, RANDOM, RELU
from unitscope.display.exemplar_sheet import Exemplar
from unitscope.display.inhibition_sheet import InhibitedUnit, InhibitionExample, InhibitionSheet
from unitscope.display.perturbed_sheet import PerturbedImage, PerturbedMap, PerturbedSheet, PerturbedUnit
from unitscope.display.rule_sheet import RuleImage, RuleRow, RuleSheet
from unitscope.display.structure import LayerTopUnits, Prediction
from unitscope.images.folder import ImageFolder
from unitscope.notebook import MAX_COLUMNS, MAX_ROWS, MAX_TABLES, frame_html, shorten, tables_html
from unitscope.scanning import ScanResult

GREY, MAP = np.full((224, 224, 3), 128, np.uint8), RANDOM.random((14, 14)).astype(np.float32)
IDS = tuple(f"{number:05d}.png" for number in range(5000))
MANY = tuple(
    unitscope.Layer(number, f"features.{number}", "activation", 2000, (2000, 7, 7), aliases=(f"act:{number}",))
    for number in range(300)
)
LARGE = MANY[7]


def large_structure():
    top = (np.arange(50), np.ones(50, np.float32), np.stack([MAP] * 50))
    columns = tuple(LayerTopUnits(layer, *top) for layer in MANY)
    likely = tuple(Prediction(number, "hen", 0.001) for number in range(1000))
    return unitscope.Structure("tiny", "a.png", GREY, likely, columns, (), np.ones(1000, np.float32))


def large_sheets():
    exemplars = tuple(Exemplar(number + 1, "a.png", 2.5, "hen", GREY, MAP) for number in range(200))
    images = tuple(RuleImage("class:hen", name, False, GREY) for name in IDS[:50])
    rows = [RuleRow(unit, ("a note",), (0.5,) * 50, (MAP,) * 50, exemplars) for unit in range(100)]
    example = InhibitionExample("a.png", "hen", True, GREY, MAP, MAP, "inside 0.1")
    clean = PerturbedMap(GREY, MAP, 0.5, 0.25)
    noisy = (PerturbedImage("a.png", clean, (clean, clean)),) * 50
    return (
        unitscope.ExemplarSheet("tiny", LARGE, 3, exemplars),
        RuleSheet("shared", "9 of 10", "tiny", LARGE, images, tuple(rows)),
        InhibitionSheet("tiny", LARGE, "hen", "contrast", (InhibitedUnit(3, "d 1.5", (example,) * 50),) * 100),
        PerturbedSheet("tiny", (("noise", 0.1), ("blur", 2.0)), (PerturbedUnit(LARGE, 3, noisy),) * 60),
    )


def large_results():
    """Results with long tables and large arrays."""
    columns = {"unit": np.arange(2000), "correlation": RANDOM.random(2000)}
    numbers = {"selectivity": RANDOM.random(2000), "shuffled": 0.1, "d_prime": 1.5, "mean": 0.5}
    matrix = RANDOM.random((300, 300))
    nearest = pd.DataFrame({"rank": range(1, 101), "image": IDS[:100], "similarity": 0.5, "label": "hen"})
    return (
        unitscope.SimilarUnits(LARGE, 1, 30, pd.DataFrame(columns)),
        unitscope.Selectivity(LARGE, "hen", pd.DataFrame({"unit": np.arange(2000)} | numbers), 12, 9),
        unitscope.LayerSimilarity(MANY, 30, matrix, "tiny", True, matrix),
        unitscope.SimilarityByLayer(MANY, IDS[:40], np.ones((300, 40, 40)), "tiny", ("hen",) * 40),
        unitscope.NearestImages(LARGE, dict.fromkeys(IDS[:50], nearest)),
        replace(MADE["perturbation"], effects=MADE["perturbation"].effects * 50),
        replace(MADE["ablation"], outcomes=MADE["ablation"].outcomes * 100),
    )


def plain_values():
    """Public values that are not results."""
    network = unitscope.load(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *[nn.Identity()] * 100), preprocess="imagenet"
    )
    return (
        network,
        replace(network, classes=tuple(f"class {number}" for number in range(1000))),
        unitscope.Session(network),
        network.preprocessing,
        unitscope.CustomPreprocessing(plain_values, (224, 224)),
        ImageFolder("photographs", "class folders", IDS, (("hen",),) * len(IDS), ("'x' is not valid Unicode",) * 99),
        unitscope.ImageGroup("class:hen", LARGE, IDS, np.ones((len(IDS), 2000), np.float32)),
        unitscope.Selection(LARGE, tuple(range(1500))),
        unitscope.TopK(9),
        unitscope.Threshold(0.5),
        LARGE,
        unitscope.Unit("act:3", 12),
        unitscope.LayerTable(MANY, "tiny"),
        unitscope.AblationGrid(["act:-1"] * 50, counts=range(2000), seeds=range(500)),
        unitscope.Noise(0.1),
        unitscope.Blur(2.0),
        unitscope.Brightness(0.5),
        unitscope.Jpeg(50),
        unitscope.RunOptions(),
        unitscope.ScanOptions(layers=tuple(f"layer{number}.*" for number in range(20))),
        unitscope.LayerRange(),
        unitscope.InProcessRunner(),
        unitscope.ProcessRunner(2),
        unitscope.RayRunner(),
    )


EXAMPLES = [*MADE.values(), *large_results(), large_structure(), *large_sheets(), *plain_values()]
SHOWN = [value for value in EXAMPLES if hasattr(value, "_repr_html_")]
each = pytest.mark.parametrize("value", EXAMPLES, ids=lambda value: type(value).__name__)
OPTIONS = {
    *("Preprocessing", "CustomPreprocessing", "TopK", "Threshold", "AblationGrid", "RunOptions", "ScanOptions"),
    *("Noise", "Blur", "Brightness", "Jpeg", "LayerRange", "InProcessRunner", "ProcessRunner", "RayRunner"),
}
FROM_SCAN = {"Atlas", "ScanResult"}  # tested below
WITHOUT_VALUES = {"UnitscopeError", "Origin", "Attribution"}  # an error and protocols


def check_text(value):
    """Check that a value's text is short."""
    lines = repr(value).splitlines()
    assert len(lines) <= 4
    assert max(map(len, lines)) <= 160


def values_within(value):
    """The frozen values of unitscope within another, and the value itself."""
    if isinstance(value, tuple | list):
        return [inner for one in value[:3] for inner in values_within(one)]
    if not is_dataclass(value) or not type(value).__module__.startswith("unitscope."):
        return []
    return [value, *(inner for field in fields(value) for inner in values_within(getattr(value, field.name)))]


def test_every_public_class_has_an_example_here():
    public = {name for name in unitscope.__all__ if isinstance(getattr(unitscope, name), type)}
    tested = {base.__name__ for value in EXAMPLES for base in type(value).__mro__}
    assert public - tested == FROM_SCAN | WITHOUT_VALUES


def test_what_has_no_table_or_picture_is_an_option():
    without = {type(value).__name__ for value in EXAMPLES} - {type(value).__name__ for value in SHOWN}
    assert without == OPTIONS


@each
def test_a_value_and_what_it_holds_have_a_short_text_without_arrays(value):
    check_text(value)
    for inner in values_within(value):
        check_text(inner)
        assert "array(" not in repr(inner)


@pytest.mark.parametrize("value", SHOWN, ids=lambda value: type(value).__name__)
def test_a_notebook_shows_a_screen_at_most(value):
    html = value._repr_html_()
    tables = html.split("<table")[1:]
    assert len(tables) <= MAX_TABLES
    assert all(table.count("<tr") <= MAX_ROWS + 1 for table in tables)
    assert html.count("<img") <= 16 * 9 + 1
    assert len(html) < 1_500_000
    assert len(re.sub(r'src="[^"]*"', "", html)) < 60_000


@pytest.mark.parametrize("kind", sorted(MADE))
def test_names_from_outside_are_escaped(kind):
    text = json.dumps(MADE[kind].to_dict())
    for name in ("features.3", "tiny", "hen", "a.png"):
        text = text.replace(name, f"<i>{name}")
    assert "<i>" in text
    html = type(MADE[kind]).from_dict(json.loads(text))._repr_html_()
    assert "<i>" not in html
    assert "&lt;i&gt;" in html or kind == "verification"


def test_a_long_table_says_how_many_rows_are_left_out_and_how_to_get_them():
    table = pd.DataFrame({f"column {number}": range(500) for number in range(20)})
    html = tables_html({"Units of <b>": table})
    assert f"{MAX_ROWS} of 500 rows and {MAX_COLUMNS} of 20 columns" in html
    assert ".tables()[&#x27;Units of &lt;b&gt;&#x27;]" in html
    assert html.count("<td") == MAX_ROWS * MAX_COLUMNS
    assert "left out" not in frame_html(table.iloc[:3, :3])
    assert " of " not in frame_html(table.iloc[:3, :3])


def test_numbers_are_rounded_and_missing_ones_are_dashes():
    html = frame_html(pd.DataFrame({"a": [1 / 3, np.nan], "b": [2, None], "c": ["x", None], "d": [True, False]}))
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    assert cells == ["0.3333", "2", "x", "True", "–", "–", "–", "False"]


def test_a_layer_table_and_a_selection_say_how_many_they_hold():
    assert repr(unitscope.LayerTable(LAYERS, "tiny")) == "LayerTable(tiny: 2 layers, 10 units)"
    assert repr(unitscope.Selection(RELU, (1, 3))) == "Selection(2 of 4 units of features.3 (act:1): 1, 3)"
    assert "and 1,490 more" in repr(unitscope.Selection(LARGE, tuple(range(1500))))
    assert "12 of 300 rows" in unitscope.LayerTable(MANY, "tiny")._repr_html_()


def test_long_text_is_cut_to_four_lines():
    assert len(shorten("word " * 999).splitlines()) == 4
    assert shorten("word " * 999).endswith("…")


@pytest.fixture
def scanned(make_atlas):
    """A scan of 10 images, 7 of which can't be read."""
    responses = np.arange(40.0).reshape(10, 4)
    responses[:7] = np.nan
    return ScanResult(make_atlas(responses), 10, 1.5)


def test_a_scan_tells_the_first_five_files_that_failed(scanned):
    assert repr(scanned).splitlines()[1:] == ["could not read: not an image"] * 5 + ["and 2 more: see .failures"]
    assert list(scanned.failures) == [f"{number:05d}.png" for number in range(7)]
    html = scanned._repr_html_()
    assert html.count("could not read: not an image") == 5
    assert html.count("<tr") == 2


def test_an_atlas_its_parts_and_its_units_have_a_short_text(scanned):
    atlas = scanned.atlas
    for value in (atlas, atlas.manifest, atlas.index, atlas.layers, atlas["relu:2"], atlas.source()):
        check_text(value)
    assert repr(atlas["relu:2"]).startswith("Unit 2 of relu in Atlas(")
    assert atlas.source()._repr_html_().count("<tr") == 5
