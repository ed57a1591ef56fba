"""Tables on stdout fit the terminal; what is left out is said, and is in the CSV file."""

import numpy as np
import pandas as pd
import pytest

from unitscope.cli.tables import MAX_ROWS, print_frame, save_csv


@pytest.fixture
def printed(monkeypatch, capsys):
    def show(frame, *, width, **options):
        monkeypatch.setenv("COLUMNS", str(width))
        print_frame(frame, title="Numbers", **options)
        return capsys.readouterr().out.splitlines()

    return show


WIDE = pd.DataFrame({"layer": ["features.12 (act:13)"] * 3} | {f"noise 0.{n}": np.arange(3) / 7 for n in range(10)})


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal(printed, width):
    *lines, note = printed(WIDE, width=width)
    assert max(len(line.rstrip()) for line in lines) <= width
    assert ("… " in note) == (width < 100)
    shown = sum(name in " ".join(" ".join(lines).split()) or name.split()[1] in lines[2] for name in WIDE)
    assert shown > 2


def test_columns_that_do_not_fit_are_named(printed):
    note = printed(WIDE, width=60)[-1]
    assert note.startswith("… ")
    assert "noise 0.9; all are in --json and -o FILE.csv" in note


def test_long_text_is_cut_with_an_ellipsis(printed):
    frame = pd.DataFrame({"image": ["n" * 90], "response": [1.5]})
    row = printed(frame, width=60)[2]
    assert row.split() == ["n" * 49 + "…", "1.5"]


def test_a_long_table_ends_with_the_number_of_rows_left_out(printed):
    frame = pd.DataFrame({"unit": range(MAX_ROWS + 1), "mean": 0.5})
    lines = printed(frame, width=80)
    assert len(lines) == 2 + MAX_ROWS + 1
    assert lines[-1] == "… 1 more row; all are in --json and -o FILE.csv"
    assert len(printed(frame, width=80, rows=None)) == 2 + MAX_ROWS + 1


def test_no_number_is_printed_as_minus_zero(printed):
    lines = printed(pd.DataFrame({"change": [-0.0, -0.00001, 0.5123, -0.5]}), width=80)
    assert [line.strip() for line in lines[2:]] == ["0", "-1e-05", "0.512", "-0.5"]
    lines = printed(pd.DataFrame({"cosine": [-0.004, 0.123]}).assign(), width=80)
    assert "-0.004" in lines[2]
    rounded = pd.DataFrame({"cosine": [-0.004, 0.5]})
    rounded.attrs["decimals"] = 2
    assert [line.strip() for line in printed(rounded, width=80)[2:]] == ["0.00", "0.50"]


def test_tables_are_saved_whole_as_csv_files(tmp_path):
    saved = save_csv({"First": WIDE, "Second": WIDE.head(1)}, tmp_path / "new" / "all.csv")
    assert saved == {tmp_path / "new" / "all.csv": "First", tmp_path / "new" / "all-2.csv": "Second"}
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "all.csv"), WIDE)


def test_a_command_writes_its_tables_where_the_output_ends_in_csv(run, classes_atlas, tmp_path):
    done = run("exemplars", classes_atlas, "act:2:1", "-o", tmp_path / "unit.csv")
    assert f"saved table: {tmp_path / 'unit.csv'}: features.3.squeeze_activation (act:2): unit 1" in done.stderr
    assert list(pd.read_csv(tmp_path / "unit.csv")) == ["rank", "image", "response", "label"]
