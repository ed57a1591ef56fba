"""The command ``notes``, and saved selections in other commands."""

import numpy as np

from tests.cli.conftest import run_command
from unitscope.atlas.notes_file import NotesFile


def test_notes_are_listed_merged_and_taken_by_commands(make_atlas, tmp_path):
    atlas = make_atlas(np.random.default_rng(0).random((9, 4)), labels=["cat", "dog", "cat"] * 3)
    images = list(atlas.images["image"][:3])
    NotesFile.of(atlas.path).change(lambda notes: notes.edit("unit relu:1", {"name": "fur", "star": True}))
    other = NotesFile(tmp_path / "other.json")
    other.change(lambda notes: notes.edit("images first", {"members": images}).edit("unit relu:1", {"tags": ["x"]}))
    merged = run_command("notes", atlas.path, "--merge", other.path)
    assert merged.stdout.splitlines() == ["unit relu:1 ★ fur [x]", f"images first {', '.join(images)}"]
    output = run_command("notes", atlas.path, "--json").json
    assert output["file"] == f"{atlas.path}.notes.json"
    assert set(output["notes"]) == {"unit relu:1", "images first"}
    rule = run_command("rule", atlas.path, "--layer", "relu", "--top", "2", "--max", "@first", "--json").json
    assert rule["units"]
    assert (
        "no selection of images '@last'"
        in run_command("rule", atlas.path, "--layer", "relu", "--top", "2", "--max", "@last", check=1).stderr
    )


def test_a_file_that_is_no_file_of_notes_changes_nothing(make_atlas, tmp_path):
    atlas = make_atlas(np.eye(6, 4))
    (tmp_path / "x.json").write_text("{}")
    assert "is not a file of notes" in run_command("notes", atlas.path, "--merge", tmp_path / "x.json", check=1).stderr
    assert "there is no file" in run_command("notes", atlas.path, "--merge", tmp_path / "y.json", check=1).stderr
    assert not NotesFile.of(atlas.path).path.exists()
