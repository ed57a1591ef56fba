"""The command ``rule`` against brute force over the atlas, and with invalid arguments."""

import shutil

import numpy as np
import pytest
from PIL import Image

from unitscope import image_groups, intersection, open_atlas, rule_sheet
from unitscope.errors import ImageError

LAYER = "features.12.expand3x3_activation"


@pytest.fixture(scope="module")
def atlas(classes_atlas):
    return open_atlas(classes_atlas)


@pytest.fixture(scope="module")
def responses(atlas):
    """The layer's responses by image id, and the mean of each class, in float64."""
    rows = dict(zip(atlas.images["image"], atlas.responses(LAYER).astype(float), strict=True))
    names = ("tench", "goldfish", "hen")
    means = {f"class:{n}": np.mean([row for image, row in rows.items() if image.startswith(n)], 0) for n in names}
    return rows | means


def top(row, n):
    return set(sorted(range(len(row)), key=lambda unit: (-row[unit], unit))[:n])


def ordered(units, mean):
    return sorted(units, key=lambda unit: (-mean[unit], unit))


def test_shared_units_are_those_of_every_selection(run, classes_atlas, responses):
    a, b = "class:tench", "hen/02.png"
    output = run("rule", classes_atlas, "--layer", LAYER, "--shared", a, "--shared", b, "--top", 30, "--json").json
    mean = (responses[a] + responses[b]) / 2
    units = ordered(top(responses[a], 30) & top(responses[b], 30), mean)
    assert len(units) > 0
    assert output["units"] == units
    assert (output["layer"], output["rule"], output["top"]) == (LAYER, "shared", 30)
    np.testing.assert_allclose(output["responses"], mean[units], rtol=1e-6)
    np.testing.assert_allclose(output["responses_by_subject"][a], responses[a][units], rtol=1e-6)
    assert output["expected_by_chance"] == pytest.approx(256 * (30 / 256) ** 2)
    assert 0 < output["p_value"] < 1
    images = [row for image, row in responses.items() if image.startswith("tench/") or image == b]
    assert output["images"] == len(images) == 11
    assert output["support"] == [sum(unit in top(row, 30) for row in images) for unit in units]
    everywhere = [top(row, 30) for image, row in responses.items() if not image.startswith("class:")]
    np.testing.assert_allclose(output["base_rate"], [np.mean([unit in one for one in everywhere]) for unit in units])
    assert output["base_rate_images"] == 30


def test_exclusive_units_are_in_no_other_selection(run, classes_atlas, responses):
    words = ("--in", "tench/00.png", "--not-in", "class:hen", "--not-in", "goldfish/01.png")
    output = run("rule", classes_atlas, "--layer", "act:-1", *words, "--json").json
    rows = open_atlas(classes_atlas).responses("act:-1").astype(float)
    ids = list(open_atlas(classes_atlas).images["image"])
    requested, other = rows[ids.index("tench/00.png")], rows[ids.index("goldfish/01.png")]
    hen = rows[[image.startswith("hen") for image in ids]].mean(0)
    assert output["units"] == ordered(top(requested, 9) - top(other, 9) - top(hen, 9), requested)
    assert output["rule"] == "only"
    assert set(output["responses_by_subject"]) == {"tench/00.png", "class:hen", "goldfish/01.png"}


def test_at_least_counts_all_images_of_all_classes(run, classes_atlas, responses):
    words = ("--shared", "class:tench", "--shared", "class:hen", "--at-least", 15)
    output = run("rule", classes_atlas, "--layer", LAYER, *words, "--json").json
    rows = [row for image, row in responses.items() if image.startswith(("tench/", "hen/"))]
    counts = {unit: sum(unit in top(row, 9) for row in rows) for unit in range(256)}
    units = {unit for unit, count in counts.items() if count >= 15}
    assert set(output["units"]) == units
    assert len(units) > 0
    assert output["support"] == [counts[unit] for unit in output["units"]]
    assert (output["images"], output["at_least"]) == (20, 15)
    alone = run("rule", classes_atlas, "--layer", LAYER, "--shared", "class:hen", "--at-least", 10, "--json").json
    assert alone["images"] == 10


def test_top_units_are_in_order_without_a_comparison(run, classes_atlas, responses):
    output = run("rule", classes_atlas, "--layer", LAYER, "--max", "class:hen", "--json").json
    assert output["units"] == ordered(range(256), responses["class:hen"])[:9]
    assert output["expected_by_chance"] is output["p_value"] is None


def test_a_threshold_replaces_top(run, classes_atlas, responses):
    row = responses["class:hen"]
    threshold = float(np.sort(row)[-4])
    output = run("rule", classes_atlas, "--layer", LAYER, "--max", "class:hen", "--threshold", threshold, "--json").json
    assert output["units"] == ordered(range(256), row)[:3]
    assert (output["top"], output["threshold"]) == (None, threshold)


def test_a_file_outside_the_atlas_is_run_through_the_network(run, classes_atlas, classes_folder, tmp_path):
    shutil.copy(classes_folder / "hen" / "02.png", tmp_path / "new.png")
    words = ("rule", classes_atlas, "--layer", LAYER, "--json", "--max")
    fresh, stored = run(*words, tmp_path / "new.png").json, run(*words, "hen/02.png").json
    assert fresh["units"] == stored["units"]
    np.testing.assert_allclose(fresh["responses"], stored["responses"], rtol=1e-4)


def test_a_table_is_printed_without_json(run, classes_atlas):
    text_shown = run("rule", classes_atlas, "--layer", LAYER, "--shared", "class:hen", "--shared", "class:tench").stdout
    assert f"Units of {LAYER} (act:25), top 9, shared by class:hen, class:tench" in text_shown
    assert "selected in (of 20)" in text_shown


WRONG = {
    "no rule was given; give one of --shared A --shared B": (),
    "--shared and --max are different rules": ("--shared", "class:hen", "--max", "class:hen"),
    "--not-in goes with --in, not with --max; give --in A --not-in class:hen": (
        "--max",
        "class:hen",
        "--not-in",
        "class:hen",
    ),
    "--in needs images to compare with": ("--in", "class:hen"),
    "--max takes one image or class": ("--max", "class:hen", "--max", "class:tench"),
    "--at-least goes with --shared, not with --max": ("--max", "class:hen", "--at-least", 2),
    "--top and --threshold are two ways": ("--max", "class:hen", "--top", 3, "--threshold", 1),
    "only 'class:hen' was given; give another": ("--shared", "class:hen"),
    "no class 'hem' in atlas": ("--max", "class:hem"),
    "closest: 'hen'": ("--max", "class:hem"),
    "no image 'missing.jpg' in atlas": ("--max", "missing.jpg"),
    "and no file or class of this name\n": ("--max", "missing.jpg"),
    "and no file or class of this name; closest: 'hen/02.png'": ("--max", "hen/2.png"),
    "and no file of this name; for the class write class:hen": ("--max", "hen"),
    "at least 21 of 20 images": ("--shared", "class:hen", "--shared", "class:tench", "--at-least", 21),
    "top 300 of layer": ("--max", "class:hen", "--top", 300),
    "top 0 of layer": ("--max", "class:hen", "--top", 0),
    "can't save a figure as 'rule.bmp'": ("--max", "class:hen", "-o", "rule.bmp"),
    "'class:hen' was given twice": ("--in", "class:hen", "--not-in", "class:hen"),
}


@pytest.mark.parametrize("message", WRONG)
def test_invalid_input_gives_one_clear_message(run, classes_atlas, message):
    done = run("rule", classes_atlas, "--layer", LAYER, *WRONG[message], check=1)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("features.12.expand3x3_activations", "closest: 'features.12.expand3x3_activation'"),
        ("features.0", "was not tapped by the scan"),
        ("act:99", "has activation calls 1 to"),
    ],
)
def test_a_layer_missing_from_the_atlas_is_reported(run, classes_atlas, layer, message):
    assert message in run("rule", classes_atlas, "--layer", layer, "--max", "class:hen", check=1).stderr


def test_a_layer_is_required(run, classes_atlas):
    assert "no layer was given" in run("rule", classes_atlas, "--max", "class:hen", check=2).stderr


def test_shared_units_of_all_layers_equal_those_of_each_layer(run, classes_atlas, atlas, tmp_path):
    both = ("--shared", "class:tench", "--shared", "hen/02.png", "--top")
    done = run("rule", classes_atlas, "--by-layer", *both, 30, "-o", tmp_path / "overlap.png", "--json")
    assert "saved figure: " in done.stderr
    table = done.json["table"]
    assert table["layer"] == [layer.name for layer in atlas.layers]
    for layer, shared, expected in zip(atlas.layers, table["shared"], table["expected"], strict=True):
        alone = run("rule", classes_atlas, "--layer", layer.name, *both, min(30, layer.units), "--json").json
        assert (shared, expected) == (len(alone["units"]), pytest.approx(alone["expected_by_chance"]))


def test_a_file_has_its_shared_units_at_every_layer_too(run, classes_atlas, classes_folder, tmp_path):
    shutil.copy(classes_folder / "hen" / "02.png", tmp_path / "new.png")
    words = ("rule", classes_atlas, "--by-layer", "--json", "--shared", "class:tench", "--shared")
    fresh, stored = run(*words, tmp_path / "new.png").json["table"], run(*words, "hen/02.png").json["table"]
    assert fresh["shared"] == stored["shared"]
    np.testing.assert_allclose(fresh["cosine"], stored["cosine"], rtol=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max", "class:hen"], "--by-layer goes with --shared; give --shared A --shared B"),
        (["--shared", "class:hen"], "an overlap needs two or more images or classes, not 1"),
        (["--shared", "class:hen", "--shared", "class:hen"], "'class:hen' was given twice"),
        (["--shared", "class:hen", "--layer", LAYER], f"omit --layer {LAYER}"),
        (
            ["--shared", "class:hen", "--at-least", 2],
            "--by-layer compares the top units of each layer; omit --at-least",
        ),
        (["--shared", "class:hen", "--threshold", 2], "omit --threshold"),
    ],
)
def test_invalid_options_with_all_layers_are_reported(run, classes_atlas, words, message):
    assert message in run("rule", classes_atlas, "--by-layer", *words, check=1).stderr


def test_the_figure_is_drawn_and_only_json_is_on_stdout(run, classes_atlas, tmp_path):
    words = ("--in", "class:hen", "--not-in", "tench/00.png", "--top", 30)
    done = run("rule", classes_atlas, "--layer", LAYER, *words, "-o", tmp_path / "rule.png", "--json")
    assert 0 < len(done.json["units"]) <= 30
    assert "saved figure: " in done.stderr
    with Image.open(tmp_path / "rule.png") as drawn:
        assert drawn.width > 1000


def test_the_sheet_shows_what_the_network_gives(atlas, classes_folder):
    path = str(classes_folder / "hen" / "02.png")
    found = intersection(image_groups(atlas, ["class:hen", path], LAYER), at_least=4)
    sheet = rule_sheet(atlas, found)
    assert [image.group for image in sheet.images] == ["class:hen", "class:hen", path]
    means = dict(zip(found.groups[0].images, found.groups[0].responses[:, found.units].mean(1), strict=True))
    assert [image.image for image in sheet.images[:2]] == sorted(means, key=lambda image: -means[image])[:2]
    assert [row.unit for row in sheet.rows] == found.units.tolist()
    for row in sheet.rows:
        np.testing.assert_allclose([map_.mean() for map_ in row.maps], row.responses, rtol=1e-3, atol=1e-6)
        stored = atlas.exemplars(f"{LAYER}:{row.unit}")
        assert [one.image for one in row.exemplars] == list(stored["image"][:4])
        for one in row.exemplars:
            assert one.map.mean() == pytest.approx(one.response, rel=1e-3)


def test_missing_images_are_reported(atlas, tmp_path):
    found = intersection(image_groups(atlas, ["class:hen"], LAYER), at_least=4)
    with pytest.raises(ImageError, match=r"no image file '.*png'; .* give their new folder"):
        rule_sheet(atlas, found, image_root=tmp_path)
