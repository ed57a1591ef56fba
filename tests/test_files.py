"""Atomic replacement of files."""

import pytest

from unitscope.files import atomic_path


def test_a_file_replaces_the_old_one_when_it_is_complete(tmp_path):
    file = tmp_path / "result.json"
    file.write_text("old")
    with atomic_path(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_keeps_pointing_at_the_file_that_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "result.json")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "result.json").read_text() == "new"


def test_after_an_error_the_old_file_is_kept_without_a_temporary_file(tmp_path):
    file = tmp_path / "result.json"
    file.write_text("old")

    def fail():
        with atomic_path(file) as temporary:
            temporary.write_text("ne")
            tmp_path.read_text()

    with pytest.raises(IsADirectoryError):
        fail()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
