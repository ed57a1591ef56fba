"""The commands `unit` and `selective` print what the functions return."""

import pytest
from PIL import Image

import unitscope
from unitscope.analyses.stored_results import load_result


def test_a_unit_has_a_histogram_and_class_means(run, classes_atlas, tmp_path):
    done = run("unit", classes_atlas, "act:-2:3", "--bins", 7, "--json")
    found = unitscope.unit_responses(unitscope.open_atlas(classes_atlas), "act:-2:3", bins=7)
    assert done.json == found.to_dict()
    assert len(done.json["histogram"]) == 7
    assert sum(done.json["histogram"]) == 30
    (tmp_path / "unit.json").write_text(done.stdout)
    assert load_result(tmp_path / "unit.json").to_dict() == found.to_dict()
    shown = run("unit", classes_atlas, "act:-2:3").stdout
    assert "by class" in shown
    assert "tench" in shown


def test_similar_units_of_a_unit(run, classes_atlas):
    found = unitscope.similar_units(unitscope.open_atlas(classes_atlas), "act:-2:3", 4)
    assert run("unit", classes_atlas, "act:-2:3", "--similar", 4, "--json").json == found.to_dict()
    assert "at least 1, not 0" in run("unit", classes_atlas, "act:-2:3", "--similar", 0, check=1).stderr
    assert "there is no unit 99999" in run("unit", classes_atlas, "act:-2:99999", check=1).stderr


def test_units_selective_for_a_class(run, classes_atlas):
    words = ("selective", classes_atlas, "--layer", "act:-2", "--class")
    found = unitscope.selective_units(unitscope.open_atlas(classes_atlas), "act:-2", "hen")
    assert run(*words, "hen", "--json").json == found.to_dict()
    assert "most selective for hen" in run(*words, "hen").stdout
    assert "no class 'sparrow'" in run(*words, "sparrow", check=1).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("unit", "act:-2:3"),
        ("unit", "act:-2:3", "--similar", 4),
        ("selective", "--layer", "act:-2", "--class", "hen"),
        ("similarity", "hen/02.png", "--layer", "act:-2", "--nearest", 3),
    ],
    ids=["responses", "similar", "selective", "nearest"],
)
def test_each_command_draws_its_figure(run, classes_atlas, tmp_path, words):
    command, *rest = words
    assert "saved figure: " in run(command, classes_atlas, *rest, "-o", tmp_path / "figure.png").stderr
    with Image.open(tmp_path / "figure.png") as drawn:
        assert drawn.width > 1000
