"""The command `ablate`: output, figures and errors."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2].parent / "shared"
SQUEEZENET = ("torchvision:squeezenet1_1", "--weights", "none", "--seed", 1)

DEAD = """
import torch
from torch import nn

def dead():
    torch.manual_seed(0)
    layers = dict(conv=nn.Conv2d(3, 4, 3), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten())
    network = nn.Sequential()
    for name, layer in (layers | dict(head=nn.Linear(4, 30))).items():
        network.add_module(name, layer)
    network.conv.bias.data[:2] = -1e6
    return network
"""


@pytest.fixture(scope="module")
def output(run, classes_folder, tmp_path_factory):
    figure = tmp_path_factory.mktemp("figures") / "curves.svg"
    words = ("--layer", "act:-1", "--layer", "features.12", "--fraction", 0.2, "--count", 3, "--order", "random")
    seeds = ("--random-seed", 1, "--random-seed", 2)
    done = run("ablate", *SQUEEZENET, classes_folder, *words, *seeds, "-o", figure, "--json")
    return done.json, figure


def test_json_holds_every_setting_with_counts_intervals_and_tests(output):
    values, _ = output
    assert set(values) - {"kind", "version"} == {
        "network",
        "layer",
        "images",
        "data",
        "labelled",
        "failed",
        "failures",
        "baseline",
        "layer_table",
        "results",
    }
    assert values["layer"] == ["classifier.2", "features.12.cat"]
    assert (values["images"], values["labelled"]) == (30, 30)
    given = [(one["layer"], one["scope"], one["seed"], one["fraction"], one["removed"]) for one in values["results"]]
    assert given == [
        (layer, scope, seed, fraction, removed or {"classifier.2": 200, "features.12.cat": 102}[layer])
        for layer in values["layer"]
        for scope in ("image", "dataset")
        for seed in (1, 2)
        for fraction, removed in ((0.2, 0), (None, 3))
    ]
    for one in values["results"]:
        low, high = one["top1_interval"]
        assert low <= one["top1"] == one["top1_correct"] / 30 <= high
        assert one["gained"] - one["lost"] == one["top1_correct"] - values["baseline"]["top1_correct"]
        assert 0 <= one["p_value"] <= 1
        assert (one["units"] is None) == (one["scope"] == "image")


def test_json_has_the_share_of_zeros_and_of_activation_removed(output):
    values, _ = output
    for one in values["results"]:
        assert one["among"] == "all"
        assert one["maps_removed"] == 30 * one["removed"]
        assert one["already_zero"] == one["maps_zero"] / one["maps_removed"]
        assert one["activation_removed"] == one["activation"] / one["activation_total"]
        assert one["nothing_removed"] == (one["maps_changed"] == 0) == (one["p_value"] is None)


def test_orders_by_size_and_removal_among_active_units(run, classes_folder):
    words = ("--layer", "act:-1", "--fraction", 0.5, "--limit", 5, "--order", "low-abs", "--among", "active")
    values = run("ablate", *SQUEEZENET, classes_folder, *words, "--json").json
    assert [(one["order"], one["among"]) for one in values["results"]] == [("low-abs", "active")] * 2
    assert values["results"][0]["maps_zero"] == 0


def test_removing_maps_that_were_zero_already_gives_a_note_and_no_p_value(run, classes_folder, tmp_path):
    (tmp_path / "dead.py").write_text(DEAD)
    words = ("--layer", "relu", "--count", 2, "--order", "low", "--scope", "image")
    done = run("ablate", tmp_path / "dead.py:dead", classes_folder, *words, "--preprocess", "caffe")
    assert "note: 1 setting of 1 removed nothing, since all maps were zero already" in done.stderr
    values = run("ablate", tmp_path / "dead.py:dead", classes_folder, *words, "--preprocess", "caffe", "--json").json
    assert values["results"][0]["note"] == "nothing was removed: all 60 maps were zero already"


def test_curves_are_drawn(output):
    _, figure = output
    text = figure.read_text("utf-8")
    assert "same units for all images" in text
    assert "random" in text


def test_a_table_is_printed_without_json(run, classes_folder):
    done = run("ablate", *SQUEEZENET, classes_folder, "--layer", "act:-1", "--fraction", 0.5, "--limit", 10)
    assert "unmodified" in done.stdout
    assert "With units removed, layer classifier.2 (act:26), among all" in done.stdout
    assert sum(line.startswith(("image ", "dataset ")) for line in done.stdout.splitlines()) == 6


def test_without_labels_agreement_is_reported(run, classes_folder):
    folder = classes_folder / "hen"
    words = ("--layer", "act:-1", "--fraction", 0.5, "--scope", "image", "--order", "low")
    done = run("ablate", *SQUEEZENET, folder, *words)
    assert "so the table shows agreement with the unmodified network" in done.stderr
    assert "agreement" in done.stdout
    values = run("ablate", *SQUEEZENET, folder, *words, "--json").json
    assert values["baseline"]["top1"] is None
    assert values["results"][0]["agreement"] == 1.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layer", "act:-1", "--fraction", 1.2), "fraction 1.2 is not between 0 and 1"),
        (("--layer", "act:99"), "no layer 'act:99': torchvision:squeezenet1_1 has activation calls 1 to 26"),
        (("--layer", "act:-1", "--count", 2000), "layer 'classifier.2' has 1,000 units, so 2,000 can't be removed"),
        (("--layer", "act:-1", "--scope", "images"), "no scope 'images'; closest: 'image'"),
        (("--layer", "act:-1", "--order", "lowest"), "no order 'lowest'; closest: 'low'"),
        (("--layer", "act:-1", "--among", "activ"), "no among 'activ'; closest: 'active'"),
        (("--layer", "act:-1", "--replace-with", "one"), "no value 'one'"),
        (("--layer", "act:-1", "--atlas", "nowhere.atlas"), "no atlas at 'nowhere.atlas'"),
        (("--layer", "act:-1", "-o", "curves.docx"), "'curves.docx'"),
        (("--layer", "act:-1", "--random-seed", -1), "seeds must be 0 or greater, not -1"),
        (("--layer", "act:-1", "--fraction", "nan"), "fraction nan is not between 0 and 1"),
    ],
)
def test_invalid_input_gives_a_one_line_error(run, classes_folder, words, message):
    done = run("ablate", *SQUEEZENET, classes_folder, *words, check=1)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_missing_folder_is_reported_before_the_network_is_loaded(run, tmp_path):
    done = run("ablate", "torchvision:no-such-network", tmp_path / "nowhere", "--layer", "act:-1", check=1)
    assert done.stderr.startswith(f"error: no file or folder '{tmp_path / 'nowhere'}'")
    assert len(done.stderr.splitlines()) == 1


def test_a_layer_given_twice_has_each_row_once(run, classes_folder):
    words = ("--layer", "act:-1", "--layer", "classifier.2", "--fraction", 0.5, "--limit", 3, "--order", "low")
    printed = run("ablate", *SQUEEZENET, classes_folder, *words, "--json").json
    assert printed["layer"] == "classifier.2"
    assert [one["scope"] for one in printed["results"]] == ["image", "dataset"]


def test_too_few_images_give_a_note(run, classes_folder):
    words = ("--layer", "act:-1", "--fraction", 0.5, "--order", "low")
    few = run("ablate", *SQUEEZENET, classes_folder, *words, "--limit", 1).stderr
    assert "note: too few images (1) to measure the effect of units" in few
    assert "too few images" not in run("ablate", *SQUEEZENET, classes_folder, *words).stderr


def test_a_missing_layer_is_a_usage_error(run, classes_folder):
    assert "--layer" in run("ablate", *SQUEEZENET, classes_folder, check=2).stderr
