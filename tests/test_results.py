"""Results of all kinds: stored, read back, tabulated, drawn."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unitscope import figures
from unitscope.analyses.ablation import Ablation
from unitscope.analyses.ablation_counts import AblationSetting, Score, Truth
from unitscope.analyses.ablation_outcome import Outcome
from unitscope.analyses.cka import LayerSimilarity
from unitscope.analyses.estimates import Estimate, Proportion
from unitscope.analyses.image_pairs import Pairs
from unitscope.analyses.inhibition import Inhibition, Removal
from unitscope.analyses.layer_list import LayerList
from unitscope.analyses.layer_overlap import LayerOverlap
from unitscope.analyses.nearest_images import NearestImages
from unitscope.analyses.perturb_result import Effect, LayerEffect, PerturbResult, UnitEffect
from unitscope.analyses.scan_summary import ScanSummary
from unitscope.analyses.selection import TopK
from unitscope.analyses.selectivity import Selectivity
from unitscope.analyses.similarity import Similarity
from unitscope.analyses.similarity_by_layer import SimilarityByLayer
from unitscope.analyses.sparsity import Distribution, Sparsity
from unitscope.analyses.sparsity_by_layer import SparsityByLayer
from unitscope.analyses.split_half import SplitHalf
from unitscope.analyses.stored_results import load_result, result_classes
from unitscope.analyses.unit_correlation import SimilarUnits
from unitscope.analyses.unit_responses import UnitResponses
from unitscope.analyses.unit_rules import Rule
from unitscope.analyses.verification import Mismatch, Verification
from unitscope.display.exemplar_sheet import Exemplar, ExemplarSheet
from unitscope.display.structure import LayerTopUnits, Prediction, Structure
from unitscope.errors import UnitscopeError
from unitscope.units import Layer

LAYERS = (
    Layer(3, "features.3", "activation", 4, (4, 7, 7), aliases=("act:1",)),
    Layer(5, "features.5", "activation", 6, (6, 7, 7), aliases=("act:2",)),
)
RELU = LAYERS[0]
RANDOM = np.random.default_rng(0)


def distribution(name):
    means = np.array([0.0, 0.5, 2.0, np.nan])
    return Distribution(name, 9, means, np.array([1, 2]), 0.25, 0.5, np.nan, 0.125)


def sparsity():
    lifetime = pd.DataFrame(
        {
            "channel": [0, 1, 2, 3],
            "zero_fraction": [1.0, 0.5, 0.0, 0.25],
            "dead": [True, False, False, False],
            "treves_rolls": [np.nan, 0.5, 0.25, 0.125],
            "hoyer": [np.nan, 0.1, 0.2, 0.3],
            "images": [9, 9, 9, 8],
        }
    )
    population = pd.DataFrame({"image": ["a.png", "b.png"]} | {
        name: RANDOM.random(2) for name in ("zero_fraction", "gini", "hoyer", "treves_rolls")
    })  # fmt: skip
    overall, hen = distribution("all images"), distribution("hen")
    return Sparsity(
        RELU, 0.375, np.array([0]), np.array([0.0, 1.0, 2.0]), overall, (hen,), lifetime, population, "tiny"
    )


def sparsity_by_layer():
    names = ("zero_fraction", "gini", "hoyer", "treves_rolls", "lifetime_treves_rolls", "lifetime_hoyer")
    table = pd.DataFrame({name: [np.nan, 0.5] for name in names})
    table.insert(0, "layer", [layer.name for layer in LAYERS])
    return SparsityByLayer("tiny", LAYERS, table.assign(units=[4, 6], dead=[0, 2], both_signs=0))


def similarity():
    cosine, std = np.array([[1, np.nan], [np.nan, 1]]), np.array([[0.25, 0.5], [0.5, np.nan]])
    pairs = Pairs(cosine, std, np.array([[3, 9], [9, 0]]))
    return Similarity(RELU, ("class:hen", "a.png"), (3, 1), cosine, pairs, "tiny", ("", "tench"), clustered=True)


def similarity_by_layer():
    matrices = np.stack([np.eye(2), np.full((2, 2), 0.5)])
    return SimilarityByLayer(LAYERS, ("class:hen", "a.png"), matrices, "tiny", ("", "tench"))


def layer_similarity():
    matrix, shuffled = np.array([[1, 0.25], [0.25, 1]]), np.array([[0.125, np.nan], [np.nan, 0.125]])
    return LayerSimilarity(LAYERS, 30, matrix, "tiny", True, shuffled)


def nearest_images():
    table = pd.DataFrame({"rank": [1, 2], "image": ["b", "c"], "similarity": [0.5, 0.25], "label": ["hen", ""]})
    return NearestImages(RELU, {"a.png": table})


def ablation():
    score = Score(30, 12, 20)
    truth = Truth.of([[number % 3] for number in range(30)])
    before = np.tile(np.arange(5, dtype=np.int32), (30, 1))
    gone = AblationSetting("features.3", "dataset", "low", 2, 4, 0.5)
    random = AblationSetting("features.5", "image", "random", 3, 6, None, "zero", 7)
    outcomes = (
        Outcome(gone, np.roll(before, 1, 1), before, truth, (3, 1)),
        Outcome(random, np.roll(before, 2, 1), before, truth),
    )
    return Ablation("tiny", 30, score, before, outcomes, ("tench", "hen", "pug"), 1, "abc")


def perturbation():
    estimates = [Estimate(0.5, 0.1, np.nan, 9), Estimate(np.nan, np.nan, 0.25, 0), Estimate(1.0, 0.0, 0.0, 8)]
    layers = tuple(LayerEffect(layer, estimates[0], 0.25, estimates[2]) for layer in LAYERS)
    unit = UnitEffect(RELU, 3, *estimates)
    share = Proportion((3, 4), 9)
    noise = Effect("noise", 0.1, (0, 1), share, (0.5, 1.0), share, share, layers, (unit,))
    blur = Effect("blur", 2.0, (0,), share, (), None, None, layers, (unit,))
    return PerturbResult("tiny", 9, 1, "abc", (0, 1), 2, share, share, (noise, blur), "hooks")


def rule():
    values = {"class:hen": np.array([2.0, 1.0]), "a.png": np.array([0.5, 0.25])}
    return Rule(
        "only", TopK(2), RELU, ("class:hen",), ("a.png",), values, np.array([3, 1]), np.array([2.0, 1.0]),
        np.array([9, 4]), 9, np.array([0.001, 1.0]), 0.5, 0.25, np.array([0.75, 0.5]), 30,
    )  # fmt: skip


def verification():
    return Verification(30, (Mismatch("mean", "features.3:1", "", 0.5, np.nan),))


def layer_list():
    return LayerList("tiny", LAYERS)


def scan():
    missing = {"shard": 3, "images": 2, "first": "a.png", "reason": "permission denied"}
    rates = {"top1": 0.5, "top5": 0.75}
    return ScanSummary(
        "tiny.atlas", 30, 1, 2, 10, 12.5, 20, 0.125, rates, (missing,), ("'b.png' is not valid Unicode",)
    )


def inhibition():
    units = pd.DataFrame({"unit": [3, 1], "inside": [0.0, 0.5], "outside": [1.0, 0.5], "contrast": [-1.0, 0.0]})
    units = units.assign(by_place=np.nan, effect_size=[-1.0, 0.25], d_z=-0.5, p_value=[0.001, 1.0])
    units = units.assign(images=2, p_corrected=0.5, p_holm=1.0, logit_change=[0.5, 0.0], logit_p_corrected=1.0)
    removal = pd.DataFrame({"unit": [1, 3], "logit_change": [0.5, -0.25], "logit_d_z": [1.0, np.nan]})
    removal = removal.assign(logit_p_value=0.25, logit_p_corrected=0.5, logit_p_holm=0.5, images=2)
    concept = ("hen", "map contrast", ("a.png", "b.png"))
    return Inhibition(RELU, *concept, 9, 1, units, 8, Removal("hen", removal), None)


def structure():
    maps = RANDOM.random((2, 7, 7)).astype(np.float32)
    column = LayerTopUnits(RELU, np.array([3, 1]), np.array([0.5, 0.25], np.float32), maps)
    picture = np.zeros((32, 32, 3), np.uint8)
    contrasted = replace(column, contrasts=np.array([2.5, -0.5]))
    return Structure("tiny", "a.png", picture, (Prediction(1, "hen", 0.5),), (column, contrasted), baseline="9 images")


def exemplars():
    return ExemplarSheet("tiny", RELU, 3, (Exemplar(1, "a.png", 2.5, "hen"), Exemplar(2, "b.png", 0.5, "")))


def selectivity():
    numbers = {"selectivity": [0.5, 0.25], "shuffled": [0.125, 0.5], "d_prime": [2.5, 1.0], "mean": [1.5, 0.125]}
    return Selectivity(RELU, "hen", pd.DataFrame({"unit": [2, 0]} | numbers), 12, 9)


def similar_units():
    return SimilarUnits(RELU, 1, 30, pd.DataFrame({"unit": [2, 0], "correlation": [0.5, -0.25]}))


def unit_responses():
    classes = pd.DataFrame({"label": ["n1"], "name": ["hen"], "images": [3], "mean": [0.5]})
    halves = SplitHalf(3, None, 0.75, 0.5, 0.25)
    return UnitResponses(RELU, 1, np.array([0.0, 1.0, 2.0]), np.array([7, 2]), classes, halves)


def layer_overlap():
    numbers = {"shared": [1, 2], "expected": [0.5, 0.25], "p_value": [0.5, 0.01], "cosine": [np.nan, 0.5]}
    return LayerOverlap(
        ("class:hen", "a.png"), 9, pd.DataFrame({"layer": [one.name for one in LAYERS]} | numbers), LAYERS
    )


MADE = {
    make().kind: make()
    for make in (
        sparsity,
        sparsity_by_layer,
        similarity,
        similarity_by_layer,
        layer_similarity,
        nearest_images,
        ablation,
        perturbation,
        rule,
        verification,
        layer_list,
        scan,
        inhibition,
        structure,
        exemplars,
        selectivity,
        similar_units,
        unit_responses,
        layer_overlap,
    )
}
NUMBERS = ("scan", "verification")  # without a figure
each_kind = pytest.mark.parametrize("kind", sorted(MADE))


def test_every_kind_of_result_is_tested_here():
    assert set(MADE) == {kind for kind, one in result_classes().items() if one.__module__.startswith("unitscope.")}


@each_kind
def test_a_result_read_back_from_json_has_equal_values_and_tables(kind):
    before = MADE[kind]
    after = type(before).from_dict(json.loads(json.dumps(before.to_dict(), allow_nan=False)))
    assert after.to_dict() == before.to_dict()
    tables = after.tables()
    assert list(tables) == list(before.tables())
    for title, table in before.tables().items():
        pd.testing.assert_frame_equal(tables[title], table, check_dtype=False)


@each_kind
def test_a_stored_result_is_read_by_its_kind(kind, tmp_path):
    MADE[kind].save(tmp_path / "result.json")
    found = load_result(tmp_path / "result.json")
    assert type(found) is type(MADE[kind])
    assert found.to_dict() == MADE[kind].to_dict()


@each_kind
def test_a_notebook_shows_the_tables_or_images(kind):
    shown, has_images = MADE[kind]._repr_html_(), kind in ("structure", "exemplars")
    assert shown.count("<table") == (0 if has_images else len(MADE[kind].tables()))
    assert not has_images or "display:block" in shown


@pytest.mark.parametrize("kind", sorted(set(MADE) - {*NUMBERS, "structure"}))
def test_a_result_is_drawn_and_so_is_what_was_read_back(kind):
    before = MADE[kind]
    after = type(before).from_dict(json.loads(json.dumps(before.to_dict())))
    figure = figures.draw(before)
    assert len(figure.axes) == len(figures.draw(after).axes) > 0
    assert figure._repr_png_()[0].startswith(b"\x89PNG")


def test_a_structure_read_back_without_its_maps_is_not_drawn():
    before = MADE["structure"]
    assert len(figures.draw(before).axes) > 0
    with pytest.raises(UnitscopeError, match="a stored structure has no maps to draw"):
        figures.draw(Structure.from_dict(before.to_dict()))


PAGES = {
    "ablation": "ablate",
    "inhibition": "inhibitory",
    "layer_overlap": "rule",
    "layer_similarity": "similarity",
    "nearest_images": "similarity",
    "perturbation": "perturb",
    "selectivity": "selective",
    "similar_units": "unit",
    "similarity_by_layer": "similarity",
    "sparsity_by_layer": "sparsity",
    "unit_responses": "unit",
    "verification": "verify",
}


@each_kind
def test_the_page_of_the_command_documents_each_key_and_the_kind(kind):
    page = (Path(__file__).parents[1] / f"docs/commands/{PAGES.get(kind, kind)}.md").read_text("utf-8")
    assert f"`{kind}`" in page
    assert not [key for key in MADE[kind].to_dict() if not re.search(rf"\b{key}\b", page)]


TESTED = {
    "ablation": {"p_value"},
    "inhibition": {"p_value", "p_corrected", "p_holm", "logit_p_value", "logit_p_corrected", "logit_p_holm"},
    "layer_overlap": {"p_value"},
    "layer_similarity": {"shuffled"},
    "perturbation": {"p_values"},
    "rule": {"p_value", "support_p"},
    "selectivity": {"shuffled"},
}


def keys_of(value):
    """All keys of a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*(keys_of(each) for each in value.values()))
    return set().union(*(keys_of(each) for each in value)) if isinstance(value, list) else set()


@each_kind
def test_every_p_value_and_level_has_a_simulation_of_its_null_distribution(kind):
    """Add a new one here with its simulation, in tests/analyses/test_null_distributions.py or beside its analysis."""
    found = {key for key in keys_of(MADE[kind].to_dict()) if re.search(r"(^|_)p(_|$)|shuffled", key)}
    assert found == TESTED.get(kind, set())


def test_a_stored_selectivity_without_a_level_shows_all_its_units():
    values = MADE["selectivity"].to_dict()
    units = {name: values["units"][name] for name in ("unit", "selectivity", "mean")}
    found = Selectivity.from_dict({key: values[key] for key in ("layer", "concept")} | {"units": units})
    assert len(found.found) == 2
    assert "there is no level" in found.note


def test_a_stored_similarity_of_layers_that_does_not_say_how_it_was_estimated_is_biased():
    values = MADE["layer_similarity"].to_dict()
    found = LayerSimilarity.from_dict({key: values[key] for key in values if key not in ("debiased", "shuffled")})
    assert list(found.tables()) == ["Linear CKA (biased) over 30 images"]


def test_a_result_without_a_figure_is_an_error():
    for kind in NUMBERS:
        name = type(MADE[kind]).__name__
        with pytest.raises(UnitscopeError, match=f"there is no figure for {name}; read it as tables or JSON"):
            figures.draw(MADE[kind])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "can't be read as JSON"),
        ("[1]", "it has no 'kind'"),
        ('{"kind": "horoscope"}', "its kind is 'horoscope'; known kinds: .*sparsity"),
        ('{"kind": "sparsity", "version": 99}', "'sparsity' in version 99, but this unitscope reads version 1"),
        ('{"kind": "sparsity", "version": 1}', "the values of this 'sparsity' result are incomplete"),
    ],
)
def test_a_file_that_is_not_a_result_is_refused(text, message, tmp_path):
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UnitscopeError, match=message):
        load_result(tmp_path / "result.json")


def test_a_missing_file_is_reported():
    with pytest.raises(UnitscopeError, match=r"no file 'nowhere.json'"):
        load_result("nowhere.json")


def test_a_result_is_not_read_as_another_kind():
    with pytest.raises(UnitscopeError, match="has kind 'sparsity', not 'sparsity_by_layer'"):
        SparsityByLayer.from_dict(MADE["sparsity"].to_dict())


def test_results_are_read_and_drawn_without_torch(tmp_path):
    MADE["sparsity"].save(tmp_path / "result.json")
    code = (
        "import sys, unitscope\n"
        f"unitscope.figures.draw(unitscope.load_result({str(tmp_path / 'result.json')!r}))\n"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0
