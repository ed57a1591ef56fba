"""The command `paper`, on real networks and photographs if available, and on untrained networks."""

import re
from pathlib import Path

import pandas as pd
import pytest

SHARED = Path(__file__).parents[2].parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared, with real images and weights, is not here")


@pytest.fixture(scope="module")
def real(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real") / "paper"
    card = folder.parent / "squeezenet.toml"
    card.write_text(
        f'network = "torchvision:squeezenet1_0"\npreprocess = "caffe"\n'
        f'weights = "{SHARED / "models" / "squeezenet1_0-caffe.safetensors"}"\n'
    )
    data = SHARED / "data"
    cifar = f"{SHARED / 'models' / 'vgg16_cifar10.toml'}={data / 'cifar10-test'}"
    words = ("--imagenet", data / "imagenet-sample", "--coco", data / "coco-sample", "--network", card)
    done = run("paper", *words, "--network", cifar, "--limit", 20, "-o", folder, "--json")
    return done.json, folder


@needs_shared
def test_every_table_and_figure_is_present_or_has_a_reason(real):
    values, folder = real
    text = (folder / "report.html").read_text("utf-8")
    titles = [one["title"] for one in (*values["tables"], *values["figures"], *values["missing"])]
    for item in ("Table 1", "Table 2", "Table 3", "Table 4", "Table 5", "Figure 1", "Figure 2", "Figure 3", "Figure 4"):
        assert any(title.startswith(item) for title in titles), item
    assert any(title.startswith("Figures 5 and 6") for title in titles)
    assert any(title.startswith("Figure 7. Noise: squeezenet") for title in titles)
    for one in (*values["tables"], *values["figures"]):
        assert Path(one["file"]).stat().st_size > 100
    for one in values["figures"]:
        assert Path(one["file"]).with_suffix(".pdf").exists()
    for one in values["missing"]:
        assert "Not available:" in text
        assert one["reason"]
    missing = {one["title"]: one["reason"] for one in values["missing"]}
    reason = missing["Figure 2. A unit over COCO: vgg16_cifar10"]
    assert reason == "it has its own images, so it was not run on COCO"


@needs_shared
def test_claims_are_judged_and_stand_in_the_report(real):
    values, folder = real
    verdicts = {(one["claim"], one["network"]): one for one in values["claims"]}
    noise = verdicts["Predictions stand noise of σ = 0.1", "squeezenet"]
    assert noise["verdict"] == "not supported"
    low, high = noise["interval"]
    assert low <= noise["number"] <= high < 0.5
    rest = verdicts["ResNet-50 is sparser than VGG-16", ""]
    assert (rest["verdict"], rest["number"], rest["interval"]) == ("can't be told", None, None)
    text = (folder / "report.html").read_text("utf-8")
    assert text.index("whether these data support them") < text.index("<h2>Table 1")
    assert "these data contradict the claim that predictions stand this noise" in text


@needs_shared
def test_a_vgg_16_follows_the_papers_units(real):
    _, folder = real
    text = (folder / "report.html").read_text("utf-8")
    section = text.partition("<h2>Figure 7. Noise: vgg16_cifar10</h2>")[2].partition("</section>")[0]
    assert "the paper's own units, features.42:71" in section.replace("&#39;", "'")


@needs_shared
def test_the_report_needs_no_other_file_and_no_network(real):
    _, folder = real
    text = (folder / "report.html").read_text("utf-8")
    sources = re.findall(r'(?:src|srcset)="([^"]{0,30})', text)
    assert sources
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]+", "", text)


@needs_shared
def test_tables_agree_with_their_atlas(real):
    import unitscope

    _, folder = real
    atlas = unitscope.open_atlas(folder / "squeezenet-images.atlas")
    table = pd.read_csv(folder / "tables" / "table-4.csv")
    row = table[(table["network"] == "squeezenet") & table["units"].str.startswith("lowest 102 of 512")].iloc[0]
    assert row["Top-1 before"].endswith(f"({atlas.manifest.accuracy['top1_correct']})")
    sizes = pd.read_csv(folder / "tables" / "table-1.csv").set_index("network")
    assert sizes.loc["vgg16_cifar10", "parameters"] == 14_728_266
    assert pd.isna(sizes.loc["vgg16_cifar10", "paper: parameters"])  # it is not the paper's VGG-16


@pytest.fixture
def card(tmp_path):
    """An untrained network."""
    path = tmp_path / "small.toml"
    path.write_text('network = "torchvision:squeezenet1_1"\nweights = "none"\nseed = 0\n')
    return path


def test_untrained_networks_have_sizes_only(run, tmp_path, card, classes_folder):
    words = ("--network", card, "--imagenet", classes_folder, "-o", tmp_path / "paper", "--json")
    values = run("paper", *words).json
    assert [one["title"][:7] for one in values["tables"]] == ["Table 1", "Table 2"]
    assert values["figures"] == []
    reasons = " ".join(one["reason"] for one in values["missing"])
    assert "untrained" in reasons
    table = pd.read_csv(values["tables"][0]["file"])
    assert table.loc[0, "parameters"] == 1_235_496


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--network", "torchvision:resnet51"), "torchvision has no model 'resnet51'"),
        (("--network", "torchvision:alexnet", "--imagenet", "nowhere"), "nowhere"),
        (("--network", "a.toml", "--network", "b/a.toml"), "two networks are named 'a'"),
    ],
)
def test_invalid_input_gives_a_one_line_error(run, tmp_path, words, message):
    done = run("paper", *words, "-o", tmp_path / "paper", check=1)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--device", "gpu"), 1, "no device 'gpu'"),
        (("--batch-size", "0"), 2, "Invalid value for '--batch-size'"),
        (("--limit", "0"), 2, "Invalid value for '--limit'"),
    ],
)
def test_run_options_are_checked_as_by_other_commands(run, tmp_path, card, words, status, message):
    done = run("paper", "--network", card, "-o", tmp_path / "paper", *words, check=status)
    assert message in done.stderr
