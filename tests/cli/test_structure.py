"""The command `structure`: its rankings, its figures, its errors."""

import pytest
from PIL import Image

SQUEEZENET = ("torchvision:squeezenet1_1", "--weights", "none", "--seed", 1)


@pytest.fixture
def picture(classes_folder):
    return sorted(classes_folder.rglob("*.png"))[4]


def test_units_are_ranked_by_contrast_with_an_atlas(run, classes_atlas, picture, tmp_path):
    words = ("structure", *SQUEEZENET, picture, "--top", 4, "--stop", 4)
    by_response = run(*words, "--json").json
    figure = tmp_path / "contrast.png"
    found = run(*words, "--rank", "contrast", "--atlas", classes_atlas, "-o", figure, "--json").json
    assert (by_response["ranking"], found["ranking"]) == ("response", "contrast")
    assert found["baseline"] == "the 30 images of classes.atlas"
    assert by_response["layers"][0]["contrasts"] is None
    for layer in found["layers"]:
        assert layer["contrasts"] == sorted(layer["contrasts"], reverse=True)
    assert [one["units"] for one in found["layers"]] != [one["units"] for one in by_response["layers"]]
    assert figure.stat().st_size > 1000


def test_the_figure_is_compact_unless_it_shall_be_proportional(run, picture, tmp_path):
    words = ("structure", *SQUEEZENET, picture, "--top", 2, "--step", 8)
    run(*words, "-o", tmp_path / "compact.png")
    run(*words, "--proportional", "-o", tmp_path / "whole.png")
    with Image.open(tmp_path / "compact.png") as compact, Image.open(tmp_path / "whole.png") as whole:
        assert compact.height < whole.height


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rank", "contrast"), "--rank contrast compares with the images of an atlas; add --atlas ATLAS"),
        (("--atlas", "{atlas}"), "--atlas goes with --rank contrast, not with --rank response"),
        (("--rank", "contrast", "--atlas", "{atlas}", "--seed", 2), "whose weights differ from those of"),
        (("--rank", "contrast", "--atlas", "nowhere"), "no atlas at 'nowhere'"),
    ],
)
def test_an_atlas_and_a_ranking_belong_together(run, classes_atlas, picture, words, message):
    given = [str(word).format(atlas=classes_atlas) for word in words]
    assert message in run("structure", *SQUEEZENET, picture, *given, check=1).stderr
