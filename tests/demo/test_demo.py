"""The demo's photographs, and its findings on planted responses."""

import sys
from math import comb
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unitscope.cli import demo as command
from unitscope.demo.findings import best_unit, telling_units
from unitscope.demo.photographs import CLASSES, write_photographs


def test_each_photograph_is_there_once(tmp_path):
    pytest.importorskip("skimage")
    write_photographs(tmp_path)
    files = sorted(tmp_path.rglob("*.jpg"))
    assert len(files) == sum(map(len, CLASSES.values())) == 20
    small = {Image.open(path).convert("L").resize((16, 16)).tobytes() for path in files}
    assert len(small) == len(files)


def test_every_photograph_is_in_the_docs_with_its_origin():
    page = (Path(__file__).parents[2] / "docs" / "commands" / "demo.md").read_text("utf-8")
    for label, named in CLASSES.items():
        for name, packaged in named.items():
            (row,) = [line for line in page.splitlines() if line.startswith(f"| `{label}/{name}.jpg`")]
            assert packaged in row


def test_the_best_unit_is_the_one_with_the_widest_margin(make_atlas):
    responses = np.array([[5.0, 3, 9], [4, 3, 1], [0, 2, 8], [1, 1, 7]])
    atlas = make_atlas(responses, layers={"relu": 3})
    assert best_unit(atlas, atlas.layers[-1], np.array([True, True, False, False])) == 0


def test_telling_units_are_counted_beside_chance(make_atlas):
    responses = np.array([[5.0, 3, 9], [4, 3, 1], [0, 2, 8], [1, 1, 7]])
    atlas = make_atlas(responses, layers={"relu": 3}, labels=["cat", "cat", "dog", "dog"])
    (row,) = telling_units(atlas, atlas.layers[-1]).to_dict("records")
    assert (row["class"], row["photographs"], row["units"]) == ("cat", 2, 2)
    assert row["expected by chance"] == pytest.approx(3 / comb(4, 2))
    assert (row["best unit"], row["response"], row["any other"]) == ("relu:0", 4, 1)


def test_without_a_terminal_the_demo_prints_the_command_and_asks_nothing(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bin/unitscope"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    command._offer_explorer(Path("my demo/atlas"))
    assert "bin/unitscope serve 'my demo/atlas'" in capsys.readouterr().err
