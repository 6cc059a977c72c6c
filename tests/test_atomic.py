"""Files appear whole or not at all."""

import errno
import os

import pytest

from latentone.atomic import atomic_file, atomic_folder


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(OSError), atomic_file(target) as partial:
        partial.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_is_replaced(tmp_path):
    target = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        with atomic_file(target) as partial:
            partial.write_text(text)
            assert not target.exists() or target.read_text() != text
        assert target.read_text() == text


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "model"
    with atomic_folder(target) as partial:
        (partial / "one").write_text("1")
    with atomic_folder(target) as partial:
        (partial / "two").write_text("2")
        assert os.listdir(target) == ["one"]
    assert os.listdir(target) == ["two"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "model"
    with atomic_folder(target) as partial:
        (partial / "one").write_text("1")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as partial:
        (partial / "two").write_text("2")
        raise KeyboardInterrupt
    assert os.listdir(target) == ["one"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_kill_between_the_two_renames_is_mended(tmp_path):
    old = tmp_path / ".model.old"
    old.mkdir()
    (old / "one").write_text("1")
    target = tmp_path / "model"
    with pytest.raises(ValueError), atomic_folder(target):
        assert (target / "one").read_text() == "1"
        raise ValueError
    assert (target / "one").read_text() == "1"
