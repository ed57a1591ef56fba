"""The command `sparsity`: output, figures and errors."""

import numpy as np
import pytest
from PIL import Image

from unitscope import open_atlas, sparsity

INDICES = ("zero_fraction", "gini", "hoyer", "treves_rolls")


def test_a_layer_is_printed_as_one_json_object(run, classes_atlas):
    words = ("--layer", "act:-2", "--class", "hen", "--class", "Tench", "--bins", 8)
    printed = run("sparsity", classes_atlas, *words, "--json").json
    atlas = open_atlas(classes_atlas)
    found = sparsity(atlas, "act:-2", ["hen", "tench"], bins=8)
    assert (printed["layer"], printed["units"], printed["images"]) == (found.layer.name, found.layer.units, 30)
    assert printed["zero_fraction"] == pytest.approx((atlas.responses("act:-2") == 0).mean())
    assert printed["dead"] == len(printed["dead_units"]) == len(found.dead)
    assert [each["name"] for each in printed["classes"]] == ["hen", "tench"]
    assert [each["images"] for each in printed["classes"]] == [10, 10]
    for each, expected in zip([printed, *printed["classes"]], [found.overall, *found.classes], strict=True):
        assert each["edges"] == found.edges.tolist()
        assert each["histogram"] == expected.histogram.tolist()
        assert {name: each[name] for name in INDICES[1:]} == {name: getattr(expected, name) for name in INDICES[1:]}
    assert printed["population"]["images"] == 30
    assert printed["population"]["gini"]["mean"] == pytest.approx(found.population["gini"].mean())
    assert printed["population"]["gini"]["std"] == pytest.approx(np.std(found.population["gini"]))
    assert printed["lifetime"]["units"] == found.layer.units - len(found.dead)
    assert printed["lifetime"]["treves_rolls"]["median"] == pytest.approx(found.lifetime["treves_rolls"].median())


def test_the_seed_changes_nothing_where_all_images_are_read(run, classes_atlas):
    words = ("sparsity", classes_atlas, "--layer", "act:3", "--json")
    assert run(*words).stdout == run(*words, "--sample-seed", 5).stdout


def test_all_layers_are_printed_over_depth(run, classes_atlas):
    printed = run("sparsity", classes_atlas, "--by-layer", "--json").json["layers"]
    assert len(printed) == 26
    assert {"layer", "units", "dead", "lifetime_hoyer", *INDICES} <= set(printed[0])


@pytest.mark.parametrize("words", [("--layer", "act:-2", "--class", "hen"), ("--by-layer",)])
def test_a_table_is_printed_and_a_figure_drawn(run, classes_atlas, tmp_path, words):
    done = run("sparsity", classes_atlas, *words, "-o", tmp_path / "figure.png")
    assert "gini" in done.stdout
    assert "saved figure: " in done.stderr
    with Image.open(tmp_path / "figure.png") as opened:
        assert opened.width > 500


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layer", "act:99"), "activation calls 1 to 26"),
        (("--layer", "features.0"), "was not tapped"),
        (("--layer", "act:1", "--class", "hne"), "no class 'hne' in atlas"),
        (("--layer", "act:1", "--class", "hne"), "closest: 'hen'"),
        (("--layer", "act:1", "--bins", "0"), "at least 1 bin, not 0"),
        (("--layer", "act:1", "--sample-seed", "-1"), "seeds must be 0 or greater, not -1"),
        (("--layer", "act:1", "-o", "figure.gif"), "end the name in .png, .svg or .pdf"),
    ],
)
def test_invalid_input_gives_one_clear_message(run, classes_atlas, words, message):
    done = run("sparsity", classes_atlas, *words, check=1)
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no layer was given; give --layer LAYER, or --by-layer"),
        (("--layer", "act:1", "--by-layer"), "--by-layer compares all layers; omit --by-layer or --layer act:1"),
        (("--by-layer", "--class", "hen"), "--class needs --layer and can't be combined with --by-layer"),
    ],
)
def test_invalid_options_are_usage_errors(run, classes_atlas, words, message):
    text_shown = run("sparsity", classes_atlas, *words, check=2).stderr
    assert message in " ".join(text_shown.replace("│", " ").split())
