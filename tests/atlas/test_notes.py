"""Notes: edits, their file, and the laws of merging."""

import json
import threading
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unitscope.analyses.image_groups import group_means, group_rows, image_group
from unitscope.atlas.notes import Note, Notes
from unitscope.atlas.notes_file import NotesFile
from unitscope.errors import NotesError, UnknownImageError

VALUES = st.one_of(
    st.fixed_dictionaries({"name": st.text(max_size=3)}),
    st.fixed_dictionaries({"tags": st.lists(st.sampled_from("ab"), max_size=2), "star": st.booleans()}),
)
TIMES = st.datetimes().map(lambda time: time.isoformat(timespec="microseconds") + "+00:00")
EDITS = st.lists(st.tuples(st.sampled_from(["unit relu:1", "image a.png"]), VALUES, TIMES), max_size=6)
NOTES = EDITS.map(lambda edits: reduce(lambda notes, edit: notes.edit(*edit), edits, Notes()))


@settings(deadline=None)
@given(NOTES, NOTES, NOTES)
def test_notes_merge_in_any_order_any_number_of_times(a, b, c):
    assert a.merge(b).to_dict() == b.merge(a).to_dict()
    assert a.merge(b).merge(c).to_dict() == a.merge(b.merge(c)).to_dict()
    assert a.merge(a).to_dict() == a.merge(Notes()).to_dict() == a.to_dict()


@settings(deadline=None)
@given(NOTES, NOTES)
def test_the_newest_edit_of_each_field_wins_and_none_is_lost(a, b):
    both = a.merge(b)
    for one in (a, b):
        for subject, fields in one.edits.items():
            for name, edits in fields.items():
                assert set(map(str, edits)) <= set(map(str, both.edits[subject][name]))
    for fields in both.edits.values():
        for edits in fields.values():
            assert edits[0].time == max(edit.time for edit in edits)


@settings(deadline=None)
@given(NOTES)
def test_notes_read_back_are_those_written(notes):
    assert Notes.from_dict(json.loads(json.dumps(notes.to_dict()))).to_dict() == notes.to_dict()


def test_two_people_edit_different_fields_and_both_edits_stay():
    start = Notes().edit("unit relu:1", {"name": "fur", "note": "?"})
    ada = start.edit("unit relu:1", {"note": "cats"})
    bob = start.edit("unit relu:1", {"name": "cat fur", "star": True})
    assert ada.merge(bob).of("unit relu:1") == Note("cat fur", "cats", (), star=True)


def test_an_edit_wins_over_one_of_a_clock_that_is_ahead():
    ahead = Notes().edit("unit relu:1", {"name": "old"}, "2999-01-01T00:00:00.000000+00:00")
    assert ahead.edit("unit relu:1", {"name": "new"}).of("unit relu:1").name == "new"


def test_a_value_that_stays_is_no_edit():
    notes = Notes().edit("image a.png", {"tags": ["x"]})
    assert notes.edit("image a.png", {"tags": ["x"], "note": ""}) == notes


@pytest.mark.parametrize(
    ("subject", "values"),
    [("layer relu", {}), ("unit ", {"name": "x"}), ("unit relu:1", {"name": 3}), ("unit relu:1", {"colour": "red"})],
)
def test_what_can_not_be_noted_is_refused(subject, values):
    with pytest.raises(NotesError, match="this can't be noted"):
        Notes().edit(subject, values)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "unitscope notes", "version": 9, "notes": {}}', '{"notes": 3}'])
def test_a_file_without_notes_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(NotesError, match=r"x.json' is not a file of notes"):
        Notes.read(tmp_path / "x.json")


def test_the_file_is_beside_the_atlas_and_read_again_when_others_write_it(tmp_path):
    here, there = (NotesFile.of(tmp_path / "my.atlas") for _ in range(2))
    assert here.path == tmp_path / "my.atlas.notes.json"
    assert here.notes == Notes()
    there.change(lambda notes: notes.edit("image a.png", {"star": True}))
    assert here.notes.all("image") == {"a.png": Note(star=True)}
    assert list(tmp_path.iterdir()) == [here.path]


def test_writers_at_the_same_time_lose_nothing(tmp_path):
    def write(number):
        NotesFile.of(tmp_path / "a").change(lambda notes: notes.edit(f"image {number}", {"star": True}))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(NotesFile.of(tmp_path / "a").notes.all("image")) == 20


def test_a_locked_file_and_a_remote_atlas_are_not_changed(tmp_path):
    for file in (NotesFile.of(tmp_path / "a", locked="it is shown only"), NotesFile()):
        with pytest.raises(NotesError, match=r"notes can't be changed: .*(shown only|no local folder)"):
            file.change(lambda notes: notes.edit("image a", {"star": True}))
    assert not list(tmp_path.iterdir())


def test_a_saved_selection_is_a_group_of_images(make_atlas):
    responses = np.random.default_rng(0).random((9, 4)).astype(np.float32)
    atlas = make_atlas(responses, labels=["a", "b", "c"] * 3)
    ids = atlas.images["image"]
    NotesFile.of(atlas.path).change(lambda notes: notes.edit("images odd", {"members": [ids[5], ids[1], ids[3]]}))
    assert group_rows(atlas, "@odd").tolist() == [1, 3, 5]
    group = image_group(atlas, "@odd", "relu")
    assert (group.name, group.images) == ("@odd", (ids[1], ids[3], ids[5]))
    np.testing.assert_allclose(group_means(atlas, "@odd"), responses[[1, 3, 5]].mean(0), rtol=1e-6)
    with pytest.raises(NotesError, match=r"no selection of images '@even' .* saved: @odd"):
        group_rows(atlas, "@even")
    NotesFile.of(atlas.path).change(lambda notes: notes.edit("images gone", {"members": ["gone.png"]}))
    with pytest.raises(UnknownImageError, match=r"no image 'gone.png'"):
        group_rows(atlas, "@gone")


def test_the_file_holds_plain_readable_values(tmp_path):
    file = NotesFile.of(tmp_path / "a")
    file.change(lambda notes: notes.edit("unit relu:1", {"name": "Füße"}, "2026-01-02T03:04:05.000006+00:00"))
    assert "Füße" in file.path.read_text("utf-8")
    assert json.loads(file.path.read_text("utf-8"))["notes"] == {
        "unit relu:1": {"name": [["2026-01-02T03:04:05.000006+00:00", "Füße"]]}
    }
