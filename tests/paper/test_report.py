import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import unitscope
from tests.paper.conftest import Counts
from unitscope.errors import NetworkError
from unitscope.experiments.run_options import RunOptions
from unitscope.networks import load
from unitscope.paper import NetworkSpec, Sources, write_paper
from unitscope.paper.tables import milliseconds


def _silent(text):
    pass


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    """A report of incomplete networks, in batches of five images."""
    names, counts = ("headless", "bare", "dead", "random"), Counts()
    requested = [NetworkSpec(str(folder / f"{name}.toml")) for name in names]
    sources = Sources(folder / "pictures", None, tmp_path_factory.mktemp("report"))
    return write_paper(requested, sources, log=_silent, options=RunOptions(5, progress=counts)), counts


def test_the_report_has_a_reason_for_each_missing_item(made):
    report, _ = made
    reasons = {item.title: item.reason for item in report.missing}
    activations = "it has no activation layers, which the paper's tables and figures need"
    assert reasons["Table 3. Cosine between images: bare"] == reasons["Figures: bare"] == activations
    untrained = "it is untrained (as small() builds them), so its units are not informative"
    assert reasons["Table 3. Cosine between images: random"] == reasons["Figures: random"] == untrained
    assert reasons["Figure 7. Noise: dead"] == "all units of 3 are dead, so noise has nothing to change"
    of_headless = {title.partition(".")[0]: reason for title, reason in reasons.items() if "headless" in title}
    no_coco = "no COCO images were given; give a folder with --coco"
    assert of_headless == {"Figure 2": no_coco, "Figure 3": no_coco}
    text = report.page.read_text("utf-8")
    assert all(f"Not available: {reason.partition('&')[0][:20]}" in text for reason in reasons.values())


def test_tables_4_and_5_list_the_skipped_networks_with_reasons(made):
    report, _ = made
    notes = re.findall(r'class="note">(Counts in brackets.*?)</p>', report.page.read_text("utf-8"), re.DOTALL)
    assert len(notes) == 2
    for note in notes:
        left_out = note.partition("Left out: ")[2]
        assert "dead:" not in left_out
        assert "bare: it has no activation layers" in left_out
        assert "random: it is untrained" in left_out
        assert re.search("returns no logits|has no predictions", left_out.partition("headless: ")[2].partition(";")[0])
    table = pd.read_csv(dict(report.tables)[next(title for title, _ in report.tables if title.startswith("Table 4"))])
    assert set(table["network"]) == {"dead"}


def test_tables_4_and_5_have_controls_and_what_was_removed(made):
    report, _ = made
    table = pd.read_csv(dict(report.tables)[next(title for title, _ in report.tables if title.startswith("Table 4"))])
    units = table["units"].tolist()
    assert units[:3] == ["lowest 5 of 24", "highest 5 of 24", "random 5 of 24"]
    assert any(each.endswith("active") for each in units)
    assert set(table["p"]) == {"nothing removed"}  # every unit of the layer is dead
    assert table["zero already"][:3].tolist() == [1] * 3
    assert table["zero already"][3:].isna().all()  # no unit is active
    assert table["note"].str.startswith("nothing was removed: ").all()
    assert table["Top-1 after"].str.contains("±").tolist() == table["units"].str.startswith("random").tolist()


def test_the_claims_come_first_and_name_no_network_that_was_not_run(made):
    report, _ = made
    text = report.page.read_text("utf-8")
    assert re.search("<h2>(.*?)</h2>", text)[1] == "Claims of the paper, and whether these data support them"
    assert {claim.network for claim in report.claims} == {"headless", "dead", ""}
    rules = pd.read_csv(dict(report.tables)["How the claims are judged"])
    assert rules["claim"].tolist() == list(dict.fromkeys(claim.claim for claim in report.claims))
    reasons = {claim.verdict.why for claim in report.claims if claim.network == "dead"}
    assert any(reason.startswith("nothing was removed: ") for reason in reasons)


def test_every_network_has_its_sizes_and_table_2_says_how_layers_are_counted(made):
    report, _ = made
    files = {title[:7]: file for title, file in report.tables}
    assert list(pd.read_csv(files["Table 1"])["network"]) == ["headless", "bare", "dead", "random"]
    assert "including those on shortcuts" in report.page.read_text("utf-8")
    assert list(pd.read_csv(files["Table 2"])["layers with weights"]) == [2, 2, 3, 3]


def test_numbers_of_a_column_have_the_same_digits_and_are_right_aligned(made):
    report, _ = made
    text = report.page.read_text("utf-8")
    section = text.partition("<h2>Table 3. Cosine between images: headless</h2>")[2].partition("</section>")[0]
    cells = re.findall('<td class="number">(.*?)</td>', section)
    assert len(cells) == 9
    assert all(re.fullmatch(r"[01]\.\d{3}", cell) for cell in cells)
    assert cells[0] != "1.000"  # pairs of different images of a class, not of an image with itself


def test_batches_have_the_requested_size_in_scans_and_ablation(made):
    report, counts = made
    atlases = list(report.page.parent.glob("*.atlas"))
    assert {unitscope.open_atlas(atlas).manifest.scan["batch_size"] for atlas in atlases} == {5}
    assert max(counts.batches["removing"]) == 5


def test_pictures_in_the_page_are_small_copies_of_the_files(made):
    report, _ = made
    files = dict(report.figures)
    shown = re.findall(r'<img alt="([^"]*)"[^>]*src="data:image/webp;base64,([^"]*)"', report.page.read_text("utf-8"))
    assert len(shown) == len(files)
    for title, data in shown:
        file = next(file for name, file in files.items() if name == title.replace("&#39;", "'"))
        ours = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), float)
        theirs = np.asarray(Image.open(file).convert("RGB"), float)
        assert 3 * len(data) / 4 < file.stat().st_size
        assert np.abs(ours - theirs).mean() < 3
        if not title.startswith("Figure "):  # charts are exact
            assert np.array_equal(ours, theirs), title


def test_a_report_without_a_runnable_network_says_why(folder, tmp_path):
    requested = [NetworkSpec(str(folder / "random.toml"))]
    report = write_paper(requested, Sources(folder / "pictures", None, tmp_path), log=_silent)
    reasons = {item.title[:7]: item.reason for item in report.missing}
    assert reasons["Table 4"] == "random: it is untrained (as small() builds them), so its units are not informative"
    assert [title[:7] for title, _ in report.tables] == ["Table 1", "Table 2"]


def test_a_missing_device_is_reported(folder, tmp_path):
    sources = Sources(folder / "pictures", None, tmp_path)
    with pytest.raises(NetworkError, match="no device 'cuda:77'"):
        write_paper(
            [NetworkSpec(str(folder / "small.toml"))], sources, log=_silent, options=RunOptions(device="cuda:77")
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_time_on_a_gpu_includes_the_computation_not_only_the_launch():
    class Slow(torch.nn.Module):
        def forward(self, x):
            torch.cuda._sleep(200_000_000)  # cycles: about a tenth of a second
            return self.weight * x

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1, device="cuda"))

    assert milliseconds(load(Slow())) > 5
