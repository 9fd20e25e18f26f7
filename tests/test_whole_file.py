"""A file is replaced in one step, and what was there stays if that fails."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from palrs_hub.package_files import write_together
from palrs_hub.whole_file import folder_beside, write_whole


def test_it_replaces_and_leaves_nothing_beside(tmp_path):
    write_whole(tmp_path / "a.txt", "first\n")
    write_whole(tmp_path / "a.txt", b"second\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"second\n"
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    write_whole(tmp_path / "a.txt", "first")

    def full(handle):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(tmp_path / "a.txt", "second")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "first"


def together(path, data):
    write_together(path.parent, {path.name: data})


@pytest.mark.parametrize("write", [write_whole, together])
def test_an_interruption_just_after_the_file_was_made_leaves_nothing(tmp_path, monkeypatch, write):
    make = os.open

    def interrupted(*arguments):
        os.close(make(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.txt", b"whole")
    assert [*tmp_path.iterdir()] == []


def test_a_link_is_replaced_and_what_it_names_is_not(tmp_path):
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "a.txt").symlink_to(tmp_path / "secret")
    write_whole(tmp_path / "a.txt", "theirs")
    assert (tmp_path / "secret").read_text() == "mine"


def test_what_is_no_file_is_written_to_and_stays_what_it_is():
    write_whole(os.devnull, "gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_folder_beside_is_gone_in_the_end(tmp_path):
    with folder_beside(tmp_path / "site") as folder:
        (folder / "new").mkdir()
        (folder / "new" / "index.html").write_text("whole")
        os.replace(folder / "new", tmp_path / "site")
    assert [path.name for path in tmp_path.rglob("*")] == ["site", "index.html"]


def test_a_folder_beside_is_gone_if_an_interruption_comes_just_after_it_was_made(
    tmp_path, monkeypatch
):
    make = Path.mkdir

    def interrupted(self, *arguments, **named):
        make(self, *arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), folder_beside(tmp_path / "site"):
        pass
    assert [*tmp_path.iterdir()] == []


def test_a_folder_beside_is_gone_if_an_interruption_comes_while_it_is_removed(
    tmp_path, monkeypatch
):
    remove, calls = shutil.rmtree, []

    def interrupted(path, **named):
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        remove(path, **named)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt), folder_beside(tmp_path / "site") as folder:
        (folder / "half").write_text("")
    assert [*tmp_path.iterdir()] == []
