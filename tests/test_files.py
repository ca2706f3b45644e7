"""Files that a kill leaves whole."""

import hashlib
import os
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.files import TEMPORARY, Journal, sha256, write_aside, write_bytes, write_json


def break_off_writing(path: Path) -> None:
    with write_aside(path) as aside:
        aside.write_bytes(b"half of the n")
        raise RuntimeError


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError):
        break_off_writing(path)
    assert path.read_bytes() == b"old"


def test_a_write_that_breaks_off_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        break_off_writing(tmp_path / "a.txt")
    assert [child.name for child in tmp_path.iterdir()] == [f"a.txt{TEMPORARY}"]


def test_writing_makes_the_folders_it_needs_and_leaves_nothing_aside(tmp_path: Path) -> None:
    write_bytes(tmp_path / "deep" / "er" / "a.bin", b"x")
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["a.bin"]


def written_to_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a file that is written goes through: the disk by its name then, and the renaming."""
    happened = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        happened.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def note_replace(old: Path, new: Path) -> None:
        happened.append(f"to {new.name}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_bytes(path, b"content")
    return happened


@pytest.mark.parametrize("name", ["manifest.json", "state.pt", "history.csv"])
def test_a_power_cut_leaves_no_name_without_its_content(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = written_to_disk(tmp_path / name, monkeypatch)
    assert happened == [f"{name}{TEMPORARY}", f"to {name}"]


@pytest.mark.parametrize("name", ["a.png", "a.dcm"])
def test_nobody_waits_for_the_disk_at_each_of_thousands_of_images(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written_to_disk(tmp_path / name, monkeypatch) == [f"to {name}"]


def test_equal_content_is_equal_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    write_json(tmp_path / "b.json", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_text() == '{\n "a": [\n  1.5,\n  null\n ],\n "b": 1\n}\n'


def test_json_holds_no_nan_that_other_readers_refuse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"dice": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


class TestJournal:
    def test_gives_back_its_records_in_order(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        journal.append([{"id": "a", "n": 1}, {"id": "b\n\u2028", "n": 2.5}])
        journal.append([])
        journal.append([{"id": "c"}])
        assert Journal(journal.path).read() == [
            {"id": "a", "n": 1},
            {"id": "b\n\u2028", "n": 2.5},
            {"id": "c"},
        ]

    def test_is_empty_before_the_first_record(self, tmp_path: Path) -> None:
        assert Journal(tmp_path / "j.jsonl").read() == []

    @pytest.mark.parametrize("torn", [b'{"id": "b', b'{"id": "b"}'], ids=["half", "no-newline"])
    def test_a_torn_last_line_does_not_count_nor_spoil_the_next(
        self, tmp_path: Path, torn: bytes
    ) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        journal.append([{"id": "a"}])
        journal.path.write_bytes(journal.path.read_bytes() + torn)
        assert journal.read() == [{"id": "a"}]
        journal.append([{"id": "c"}])
        assert journal.read() == [{"id": "a"}, {"id": "c"}]

    def test_a_journal_of_one_torn_line_is_empty(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        journal.path.write_bytes(b'{"id"')
        assert journal.read() == []

    @pytest.mark.parametrize(
        "line", [b"", b"\0\0\0", b"null", b"{}", b"[1]", b'{"id": ', b"\xff", b"3"]
    )
    def test_a_damaged_line_is_named_with_the_cure(self, tmp_path: Path, line: bytes) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        journal.path.write_bytes(b'{"id": "a"}\n' + line + b'\n{"id": "c"}\n')
        with pytest.raises(InputError, match=r"j\.jsonl is damaged in line 2; .*--replace"):
            journal.read()
