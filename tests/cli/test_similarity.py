"""The command ``similarity``: output, figures and errors."""

import numpy as np
import pytest
from PIL import Image

from unitscope import open_atlas

TENCH, GOLDFISH, HEN = "tench/00.png", "goldfish/01.png", "hen/02.png"
SIX = [TENCH, GOLDFISH, HEN, "tench/03.png", "goldfish/04.png", "hen/05.png"]


def cosine(one, other):
    one, other = one.astype(np.float64), other.astype(np.float64)
    return one @ other / np.sqrt((one @ one) * (other @ other))


@pytest.fixture(scope="module")
def responses(classes_atlas):
    """Responses of an image, or the mean responses of a class, by brute force."""
    atlas = open_atlas(classes_atlas)
    names = atlas.images["image"].tolist()

    def find(name, layer):
        prefix = name.removeprefix("class:") + "/" if name.startswith("class:") else name
        return atlas.responses(layer)[[each.startswith(prefix) for each in names]].mean(0, dtype=np.float64)

    return find


def test_the_matrix_holds_cosines_of_images_and_class_means(run, classes_atlas, responses):
    names = [TENCH, "class:hen", GOLDFISH]
    result = run("similarity", classes_atlas, *names, "--layer", "act:-1", "--json").json
    assert result["layer"] == "classifier.2"
    assert result["labels"] == names
    assert result["images"] == [1, 10, 1]
    expected = [[cosine(responses(a, "act:-1"), responses(b, "act:-1")) for b in names] for a in names]
    np.testing.assert_allclose(result["matrix"], expected, atol=1e-12)
    assert result["pairs"]["count"] == [[0, 10, 1], [10, 45, 10], [1, 10, 0]]
    assert result["pairs"]["mean"][0][0] is None
    assert result["pairs"]["mean"][0][2] == pytest.approx(result["matrix"][0][2])
    assert 0 < result["pairs"]["std"][1][1] < 0.5


def test_images_alone_have_no_pairs_and_a_table_in_the_papers_form(run, classes_atlas):
    words = ("similarity", classes_atlas, TENCH, GOLDFISH, HEN, "--layer", "act:5")
    result = run(*words, "--json").json
    described = {"kind", "version", "network", "layer_table"}
    assert set(result) == described | {"layer", "labels", "images", "matrix", "shows", "clustered"}
    assert "pairs" not in result
    lines = run(*words).stdout.splitlines()
    assert lines[0] == "Cosine similarity at features.4.squeeze_activation (act:5)"
    assert lines[1].split() == ["image", "or", "class", "label", "1", "2", "3"]
    row = lines[3].split()
    assert row[:3] == ["2", GOLDFISH, "goldfish"]
    assert row[3:] == [f"{value:.2f}" for value in result["matrix"][1]]


def test_a_class_has_a_table_of_its_pairs(run, classes_atlas):
    text_shown = run("similarity", classes_atlas, "class:tench", "class:hen", "--layer", "act:5").stdout
    assert "Over pairs of images" in text_shown
    assert [line.split()[-1] for line in text_shown.splitlines()[-3:]] == ["45", "100", "45"]


def test_clustering_orders_the_output_and_the_figure(run, classes_atlas, tmp_path):
    names = [TENCH, GOLDFISH, HEN, "tench/03.png", "goldfish/04.png", "hen/05.png"]
    words = ("similarity", classes_atlas, *names, "--layer", "act:3", "--json")
    plain, result = run(*words).json, run(*words, "--clustered", "-o", tmp_path / "map.png").json
    assert sorted(result["labels"]) == sorted(names)
    order = [names.index(name) for name in result["labels"]]
    np.testing.assert_array_equal(result["matrix"], np.array(plain["matrix"])[np.ix_(order, order)])
    with Image.open(tmp_path / "map.png") as opened:
        assert min(opened.size) > 500


def test_nearest_images_are_listed_for_each_subject(run, classes_atlas, responses):
    words = ("similarity", classes_atlas, TENCH, "class:hen", "--layer", "act:-1", "--nearest", 4)
    result = run(*words, "--json").json
    assert result["layer"] == "classifier.2"
    assert [each["subject"] for each in result["nearest"]] == [TENCH, "class:hen"]
    for each in result["nearest"]:
        rows = each["images"]
        assert [row["rank"] for row in rows] == [1, 2, 3, 4]
        values = [row["similarity"] for row in rows]
        assert values == sorted(values, reverse=True)
        for row in rows:
            expected = cosine(responses(each["subject"], "act:-1"), responses(row["image"], "act:-1"))
            assert row["similarity"] == pytest.approx(expected, abs=1e-9)
            assert row["label"] == row["image"].partition("/")[0]
    assert "hen" not in {row["label"] for row in result["nearest"][1]["images"]}
    assert f"Nearest to {TENCH}" in run(*words).stdout


def test_by_layer_gives_a_matrix_for_each_layer_and_draws_curves(run, classes_atlas, responses, tmp_path):
    names = [TENCH, "class:hen"]
    words = ("similarity", classes_atlas, *names, "--by-layer")
    result = run(*words, "--json", "-o", tmp_path / "curves.svg").json
    assert result["labels"] == names
    assert [each["layer"] for each in result["layers"]] == [layer.name for layer in open_atlas(classes_atlas).layers]
    for each in result["layers"]:
        expected = cosine(*(responses(name, each["layer"]) for name in names))
        assert each["matrix"][0][1] == each["matrix"][1][0] == pytest.approx(expected, abs=1e-12)
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert "1–2" in run(*words).stdout


def test_a_file_outside_the_atlas_equals_its_copy_at_every_layer(run, classes_atlas, classes_folder, tmp_path):
    double = tmp_path / "holiday.png"
    double.write_bytes((classes_folder / HEN).read_bytes())
    result = run("similarity", classes_atlas, double, HEN, "--by-layer", "--json").json
    np.testing.assert_allclose([each["matrix"] for each in result["layers"]], 1, atol=1e-5)


def test_between_layers_compares_layers_over_all_images_or_some(run, classes_atlas, tmp_path):
    words = ("similarity", classes_atlas, "--between-layers")
    result = run(*words, "--json", "-o", tmp_path / "layers.pdf").json
    assert result["images"] == 30
    matrix = np.array(result["matrix"])
    assert matrix.shape == (len(result["layers"]),) * 2
    np.testing.assert_array_equal(np.diag(matrix), 1)
    assert result["debiased"] is True
    assert matrix.min() < matrix[0, 1]
    assert np.array(result["shuffled"]).shape == matrix.shape
    biased = run(*words, "--biased", "--json").json
    assert biased["debiased"] is False
    assert (np.array(biased["matrix"]) > 0).all()
    assert (tmp_path / "layers.pdf").read_bytes().startswith(b"%PDF")
    assert run("similarity", classes_atlas, "class:hen", TENCH, "--between-layers", "--json").json["images"] == 11
    printed = run(*words).stdout
    assert "Debiased linear CKA over 30 images" in printed
    assert "Greatest value in 19 shuffles" in printed
    assert "classifier.2 (act:26)" in printed


@pytest.mark.parametrize("words", [[TENCH, HEN], [TENCH, "--nearest", 3]], ids=["matrix", "nearest"])
def test_a_missing_layer_is_a_usage_error(run, classes_atlas, words):
    done = run("similarity", classes_atlas, *words, check=2)
    assert "no layer was given; give one" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no images were given; give image ids"),
        ([TENCH, "--layer", "act:1"], "list the most similar images with --nearest 9"),
        ([TENCH, "--by-layer"], "was given; give another image or class:NAME"),
        ([TENCH, HEN, "--layer", "act:99"], "activation calls 1 to 26"),
        ([TENCH, HEN, "--layer", "features.0"], "was not tapped"),
        ([TENCH, "hen/99.png", "--layer", "act:1"], "no image 'hen/99.png'"),
        ([TENCH, "class:hem", "--layer", "act:1"], "closest: 'hen'"),
        ([TENCH, "--nearest", 0, "--layer", "act:1"], "must be at least 1, not 0"),
        ([TENCH, HEN, "--nearest", 3, "--by-layer"], "--nearest and --by-layer are different analyses"),
        ([TENCH, HEN, "--by-layer", "--layer", "act:1"], "omit --layer act:1"),
        ([TENCH, HEN, "--by-layer", "--clustered"], "can't be combined with --by-layer"),
        (["--between-layers", "--layer", "act:1"], "omit --layer act:1"),
        ([TENCH, HEN, "--between-layers"], "at least 4 images that can be read, not 2"),
        ([TENCH, HEN, "--layer", "act:1", "--biased"], "give it with --between-layers"),
        ([*SIX, "--by-layer", "-o", "x.png"], "6 images or classes give 15 curves"),
        ([TENCH, HEN, TENCH, "--by-layer"], f"'{TENCH}' was given twice; give each image or class once"),
        (["class:hen", "class:hen", "--layer", "act:1"], "'class:hen' was given twice"),
        (["class:", TENCH, "--layer", "act:1"], "'class:' has no class name; write class:NAME, as in class:goldfish"),
        ([TENCH, HEN, "--layer", "act:1", "-o", "x.tiff"], ".png"),
    ],
)
def test_invalid_input_gives_one_clear_message(run, classes_atlas, words, message):
    done = run("similarity", classes_atlas, *words, check=1)
    assert done.stdout == ""
    assert [message in line for line in done.stderr.splitlines() if line.startswith("error: ")] == [True]
