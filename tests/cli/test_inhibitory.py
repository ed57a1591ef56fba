"""The command `inhibitory`: output, figures and errors."""

import pytest
from PIL import Image

import unitscope

from ..experiments.planted_coco import DARK, DEAD, EDGE, make_coco, planted_atlas, planted_network


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return planted_atlas(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def run(run):
    """Run a command with the network of an atlas, which comes from a file with code."""

    def with_network(command, atlas, *words, check=0):
        network = unitscope.open_atlas(atlas).manifest.network["source"]["network"]
        return run(command, atlas, *words, "--network", network, check=check)

    return with_network


def test_a_category_gives_ranked_units_logit_changes_and_a_sheet(planted, run, tmp_path):
    words = ("--layer", "act:-1", "--category", "red square", "--ablate-each", "-o", tmp_path / "sheet.png", "--json")
    printed = run("inhibitory", planted, *words).json
    assert {"layer", "concept", "by", "images", "units"} <= set(printed)
    assert (printed["layer"], printed["concept"], printed["by"]) == ("relu", "red square", "map contrast")
    assert (printed["images"], printed["others"], printed["left_out"], printed["ranked"]) == (14, 12, 0, 4)
    first = printed["units"][0]
    keys = {"unit", "inside", "outside", "contrast", "effect_size", "p_value", "p_corrected"}
    assert keys | {"by_place", "d_z", "p_holm", "logit_change", "logit_p_corrected"} == set(first)
    assert first["unit"] == DARK
    assert first["contrast"] == pytest.approx(first["inside"] - first["outside"])
    assert DEAD not in [unit["unit"] for unit in printed["units"]]
    assert EDGE not in [unit["unit"] for unit in printed["units"] if unit["p_corrected"] < 0.05]
    assert printed["removal"]["class"] == "red square"
    assert printed["removal"]["units"][0]["unit"] == DARK
    assert printed["removal"]["units"][0]["logit_change"] == first["logit_change"] > 0
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.width > 1000


def test_a_class_needs_no_network_and_prints_a_table(planted, run):
    done = run("inhibitory", planted, "--layer", "relu", "--class", "red square", "--rows", 2)
    assert "that respond less to 'red square' (14 images)" in done.stdout
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == ""


def test_a_table_includes_logit_changes(planted, run):
    words = ("--layer", "relu", "--class", "red square", "--target-class", "plain", "--limit", 6)
    assert "Units whose removal raises the logit of 'plain'" in run("inhibitory", planted, *words).stdout


@pytest.mark.parametrize("words", [("--category", "red square"), ("--class", "red square", "--ablate-each")], ids=str)
def test_batch_size_and_device_change_no_number(planted, run, words, tmp_path):
    words = ("--layer", "relu", *words, "--json")
    plain = run("inhibitory", planted, *words).json
    how = ("--batch-size", 5, "--device", "cpu", "-o", tmp_path / "sheet.png")
    printed = run("inhibitory", planted, *words, *how).json
    assert [unit["unit"] for unit in printed["units"]] == [unit["unit"] for unit in plain["units"]]
    for name in ("inside", "p_value", *(["logit_change"] if "--ablate-each" in words else [])):
        assert [unit[name] for unit in printed["units"]] == pytest.approx([u[name] for u in plain["units"]], abs=1e-5)


def test_a_batch_size_of_0_is_a_usage_error(planted, run):
    words = ("--layer", "relu", "--category", "red square", "--batch-size", 0)
    assert "--batch-size" in run("inhibitory", planted, *words, check=2).stderr


def test_too_few_other_images_give_a_note(run, tmp_path):
    folder, options = make_coco(tmp_path / "coco", squares=6, plain=1), unitscope.ScanOptions(layers=("relu",))
    path = unitscope.scan(planted_network(), folder, tmp_path / "a.atlas", options=options).atlas.path
    done = run("inhibitory", path, "--layer", "relu", "--category", "red square", "--json")
    assert "note: too few images without 'red square'" in done.stderr
    assert done.json["units"][0]["by_place"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give --class NAME, or --category NAME"),
        (("--class", "speck", "--category", "speck"), "give one of them"),
        (("--category", "red sqare"), "closest: 'red square'"),
        (("--class", "red sqare"), "closest: 'red square'"),
        (("--category", "speck"), "at least 5 images with 'speck', but there are 1"),
        (("--class", "speck"), "at least 5 images of class 'speck', but there are 1"),
        (("--category", "red square", "--limit", "4"), "but there are 4"),
        (("--category", "red square", "--target-class", "plane"), "closest: 'plain'"),
        (("--category", "red square", "--image-root", "nowhere"), "have no segmentations"),
        (("--category", "red square", "-o", "sheet.gif"), "end the name in .png"),
        (("--category", "red square", "--device", "nowhere"), "no device 'nowhere'"),
        (("--class", "red square", "--ablate-each", "--device", "nowhere"), "no device 'nowhere'"),
        (("--class", "red square", "-o", "never.png", "--device", "nowhere"), "no device 'nowhere'"),
    ],
)
def test_invalid_input_gives_one_clear_message(words, message, planted, run):
    done = run("inhibitory", planted, "--layer", "relu", *words, check=1)
    assert message in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert done.stdout == ""


def test_atlases_without_segmentations_and_unscanned_layers_are_refused(classes_atlas, planted, run):
    words = ("--layer", "act:-1", "--category", "hen")
    assert "have no segmentations of 'hen'" in run("inhibitory", classes_atlas, *words, check=1).stderr
    text_shown = run("inhibitory", planted, "--layer", "conv", "--class", "red square", check=1).stderr
    assert "was not tapped" in text_shown


def test_images_without_labels_have_no_classes(run, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    path = unitscope.scan(planted_network(), tmp_path, tmp_path / "a.atlas").atlas.path
    assert "have no labels" in run("inhibitory", path, "--layer", "relu", "--class", "cat", check=1).stderr


def test_classes_of_folders_work_too(classes_atlas, run):
    printed = run("inhibitory", classes_atlas, "--layer", "act:-1", "--class", "hen", "--rows", 3, "--json").json
    assert (printed["concept"], printed["images"], printed["others"]) == ("hen", 10, 20)
    effects = [unit["effect_size"] for unit in printed["units"]]
    assert len(effects) == 3
    assert effects == sorted(effects)
