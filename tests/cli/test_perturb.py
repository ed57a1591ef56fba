"""The command `perturb`: output, figures and errors."""

from pathlib import Path

import pytest
from PIL import Image

from unitscope.images import open_images

SHARED = Path(__file__).parents[2].parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared, with real images and weights, is not here")
SQUEEZENET = ("torchvision:squeezenet1_1", "--weights", "none", "--seed", 1)


def width_of(figure):
    with Image.open(figure) as opened:
        return opened.width


def test_one_sigma_lists_its_units_and_flips(run, classes_folder):
    words = ("--noise", 0.1, "--unit", "act:1:3", "--unit", "act:-1:7", "--limit", 5, "--top", 5)
    printed = run("perturb", *SQUEEZENET, classes_folder, *words, "--json").json
    assert (printed["sigma"], printed["images"], printed["failed"], printed["seeds"], printed["top"]) == (
        [0.1],
        5,
        0,
        [0],
        5,
    )
    (setting,) = printed["settings"]
    assert printed["units"] == setting["units"]
    assert printed["prediction_flips"] == setting["prediction_flips"]
    assert [(unit["layer"], unit["unit"]) for unit in printed["units"]] == [("features.1", 3), ("classifier.2", 7)]
    assert all(-1 <= unit["map_correlation"] <= 1 for unit in printed["units"])
    assert {"response_change", "relative_change", "map_images", "map_correlation_error"} <= set(printed["units"][0])
    assert len(setting["layers"]) == 26
    assert set(setting["layers"][0]) > {"layer", "overlap", "cosine", "expected_by_chance"}
    assert setting["layers"][0]["expected_by_chance"] == 5 / 64
    assert setting["flipped"] == [round(setting["prediction_flips"] * 5)]
    assert setting["flips_interval"][0] <= setting["prediction_flips"] <= setting["flips_interval"][1]
    assert printed["data"] == open_images(classes_folder).limit(5).fingerprint()
    assert printed["baseline"]["labelled"] == setting["labelled"] == 5
    assert 0 <= setting["p_values"][0] <= 1


def test_several_settings_are_labelled_and_drawn(run, classes_folder, tmp_path):
    words = ["--noise", 0.05, "--noise", 0.2, "--blur", 2, "--brightness", 0.5, "--jpeg", 20, "--layer", "act:*"]
    words += ["--unit", "act:2:1", "--noise-seed", 4, "--noise-seed", 5, "--limit", 3, "--batch-size", 2]
    words += ["-o", tmp_path / "curves.png", "--maps", tmp_path / "maps.svg"]
    done = run("perturb", *SQUEEZENET, classes_folder, *words, "--json")
    printed = done.json
    assert printed["sigma"] == [0.05, 0.2]
    settings = [("noise", 0.05), ("noise", 0.2), ("blur", 2), ("brightness", 0.5), ("jpeg", 20)]
    assert [(each["perturbation"], each["value"]) for each in printed["settings"]] == settings
    assert [(each["perturbation"], each["value"]) for each in printed["units"]] == settings
    assert printed["prediction_flips"] == [each["prediction_flips"] for each in printed["settings"]]
    assert [each["seeds"] for each in printed["settings"]] == [[4, 5], [4, 5], [4], [4], [4]]
    assert printed["units"][0]["response_change_spread"] > 0
    assert printed["units"][2]["response_change_spread"] is None
    assert width_of(tmp_path / "curves.png") > 500
    assert (tmp_path / "maps.svg").read_text().startswith("<?xml")
    assert "saved figure: " in done.stderr


def test_tables_are_printed_also_for_one_image(run, classes_folder):
    image = next(classes_folder.rglob("*.png"))
    done = run("perturb", *SQUEEZENET, image, "--jpeg", 50, "--unit", "act:3:2", "--layer", "act:-1")
    assert "changed predictions" in done.stdout
    assert "correlation" in done.stdout
    assert "Overlap of the top 9, before and after" in done.stdout
    assert "jpeg 50" in done.stdout
    assert "1/1" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give one or more of --noise, --blur, --brightness and --jpeg"),
        (("--noise", 25), "between 0 and 1, on a scale where white is 1, not 25; 25 of 255 is 0.098"),
        (("--noise", -0.1), "between 0 and 1, on a scale where white is 1, not -0.1"),
        (("--jpeg", 101), "whole number from 1 (worst) to 100, not 101"),
        (("--blur", -1), "0 or more pixels, not -1"),
        (("--noise", 0.1, "--noise-seed", -1), "seeds must be 0 or greater, not -1"),
        (("--noise", 0.1, "--unit", "act:1:64"), "there is no unit 64"),
        (("--noise", 0.1, "--unit", "act:1"), "is a layer; write one of its units as LAYER:UNIT"),
        (("--noise", 0.1, "--layer", "features.99"), "no layer 'features.99'"),
        (("--noise", 0.1, "--top", 0), "top must be at least 1"),
        (("--noise", 0.1, "--maps", "maps.png"), "add --unit LAYER:UNIT"),
        (("--noise", 0.1, "-o", "curves.tiff"), "end the name in .png, .svg or .pdf"),
        (("--noise", 0.1, "--device", "abacus"), "no device 'abacus'"),
    ],
)
def test_invalid_input_gives_one_clear_message(run, classes_folder, words, message):
    done = run("perturb", *SQUEEZENET, classes_folder, *words, check=1)
    assert done.stdout == ""
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert message in error


def test_a_folder_without_a_readable_image_is_refused(run, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    done = run("perturb", *SQUEEZENET, tmp_path, "--noise", 0.1, check=1)
    assert f"error: '{tmp_path / 'broken.png'}' is not an image" in done.stderr


def test_a_batch_size_of_0_is_a_usage_error(run, classes_folder):
    done = run("perturb", *SQUEEZENET, classes_folder, "--noise", 0.1, "--batch-size", 0, check=2)
    assert "'--batch-size'" in done.stderr


@needs_shared
def test_stronger_noise_changes_a_real_network_more(run):
    words = (SHARED / "models/vgg16_cifar10.toml", SHARED / "data/cifar10-test", "--limit", 40, "--unit", "conv5_3:71")
    printed = run("perturb", *words, "--noise", 0.02, "--noise", 0.3, "--layer", "conv5_3", "--json").json
    weak, strong = printed["settings"]
    assert weak["prediction_flips"] < 0.2
    assert strong["prediction_flips"] > 0.5
    assert weak["top1"] > strong["top1"]
    assert (
        weak["layers"][0]["overlap"] > 0.7 > strong["layers"][0]["overlap"] > strong["layers"][0]["expected_by_chance"]
    )
    assert weak["units"][0]["map_correlation"] > strong["units"][0]["map_correlation"]
