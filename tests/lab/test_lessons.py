"""Lessons reach a folder of the reader, and nothing of the reader is lost."""

import pytest

from mimviz.lab.lessons import FIRST, copy_lessons, lessons_source


def test_lesson_01_is_there():
    assert (lessons_source() / FIRST).is_file()


def test_copies_every_lesson_and_nothing_else(tmp_path):
    copied = copy_lessons(tmp_path / "a" / "b")
    names = {
        str(path.relative_to(tmp_path / "a" / "b")) for path in (tmp_path / "a" / "b").rglob("*") if path.is_file()
    }
    assert names == set(copied.written)
    assert FIRST in names
    assert not any(".ipynb_checkpoints" in name for name in names)


def test_copies_are_writable(tmp_path, monkeypatch):
    """A wheel in a system folder may be read-only."""
    source = tmp_path / "source"
    source.mkdir()
    (source / FIRST).write_text("{}")
    (source / FIRST).chmod(0o444)
    monkeypatch.setattr("mimviz.lab.lessons.lessons_source", lambda: source)
    copy_lessons(tmp_path / "mine")
    assert (tmp_path / "mine" / FIRST).stat().st_mode & 0o200


def test_a_second_time_changes_nothing(tmp_path):
    copy_lessons(tmp_path)
    again = copy_lessons(tmp_path)
    assert (again.written, again.kept, again.saved) == ((), (), ())


def test_changed_lessons_stay(tmp_path):
    copy_lessons(tmp_path)
    (tmp_path / FIRST).write_text("mine")
    (tmp_path / "other.ipynb").write_text("also mine")
    assert copy_lessons(tmp_path).kept == (FIRST,)
    assert (tmp_path / FIRST).read_text() == "mine"


def test_reset_keeps_the_changed_ones_aside(tmp_path):
    copy_lessons(tmp_path)
    (tmp_path / FIRST).write_text("mine")
    (tmp_path / "other.ipynb").write_text("also mine")
    copied = copy_lessons(tmp_path, reset=True)
    assert copied.written == (FIRST,)
    assert (tmp_path / copied.saved[0]).read_text() == "mine"
    assert (tmp_path / FIRST).read_bytes() == (lessons_source() / FIRST).read_bytes()
    assert (tmp_path / "other.ipynb").read_text() == "also mine"


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "folder").write_text("")
    with pytest.raises(PermissionError, match=r"cannot be written to .*folder: .* Name another folder"):
        copy_lessons(tmp_path / "folder")


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError, match="belongs to somebody else or is read-only"):
        copy_lessons(tmp_path)
