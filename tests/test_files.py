"""Files that survive a kill."""

import hashlib
import multiprocessing
from contextlib import suppress
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.files import TEMPORARY, Journal, sha256, write_aside, write_bytes, write_json


class TestWriting:
    def test_an_interrupted_write_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        write_bytes(path, b"old")
        with suppress(ZeroDivisionError), write_aside(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise ZeroDivisionError
        assert path.read_bytes() == b"old"
        assert sorted(child.name for child in tmp_path.iterdir()) == ["a.txt", f"a.txt{TEMPORARY}"]

    def test_it_makes_folders_and_leaves_no_temporary_file(self, tmp_path: Path) -> None:
        write_bytes(tmp_path / "deep" / "er" / "a.bin", b"x")
        assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["a.bin"]

    @pytest.mark.parametrize("name", ["manifest.json", "state.pt", "history.csv"])
    def test_a_file_is_flushed_to_disk_before_it_has_its_name(
        self, tmp_path: Path, name: str
    ) -> None:
        """A link to /dev/null shows it: that cannot be flushed."""
        with pytest.raises(OSError, match="Invalid argument"), write_aside(tmp_path / name) as path:
            path.symlink_to("/dev/null")
        assert not (tmp_path / name).is_symlink()

    @pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.dcm"])
    def test_images_are_not_flushed_as_there_are_thousands(self, tmp_path: Path, name: str) -> None:
        with write_aside(tmp_path / name) as path:
            path.symlink_to("/dev/null")
        assert (tmp_path / name).is_symlink()

    def test_a_full_disk_is_an_error_that_names_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.bin"
        (tmp_path / f"a.bin{TEMPORARY}").symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space left") as caught:
            write_bytes(path, b"x")
        assert caught.value.filename == str(path)

    def test_equal_content_is_equal_json(self, tmp_path: Path) -> None:
        write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
        write_json(tmp_path / "b.json", {"a": [1.5, None], "b": 1})
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
        assert (tmp_path / "a.json").read_text() == '{\n "a": [\n  1.5,\n  null\n ],\n "b": 1\n}\n'

    def test_json_holds_no_nan_that_other_readers_refuse(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "a.json", {"dice": float("nan")})
        assert list(tmp_path.iterdir()) == []


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


class TestJournal:
    def test_returns_its_records_in_order(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        journal.append([{"id": "a", "n": 1}, {"id": "b\n\u2028", "n": 2.5}])
        journal.append([])
        journal.append([{"id": "c"}])
        assert Journal(journal.path).read() == [
            {"id": "a", "n": 1},
            {"id": "b\n\u2028", "n": 2.5},
            {"id": "c"},
        ]

    def test_several_processes_append_without_mixing_lines(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        context = multiprocessing.get_context("fork")
        writers = [context.Process(target=append_100_times, args=(journal, n)) for n in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        records = journal.read()
        for number in range(3):
            assert [r["n"] for r in records if r["writer"] == number] == list(range(100))

    @pytest.mark.parametrize("rest", [b'{"id": "b', b'{"id": "b"}'], ids=["half", "no-newline"])
    def test_an_incomplete_last_line_neither_counts_nor_spoils_the_next(
        self, tmp_path: Path, rest: bytes
    ) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        journal.append([{"id": "a"}])
        journal.path.write_bytes(journal.path.read_bytes() + rest)
        assert journal.read() == [{"id": "a"}]
        journal.append([{"id": "c"}])
        assert journal.read() == [{"id": "a"}, {"id": "c"}]

    def test_is_empty_without_a_complete_line(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        assert journal.read() == []
        journal.path.write_bytes(b'{"id"')
        assert journal.read() == []

    @pytest.mark.parametrize(
        "line", [b"", b"\0\0\0", b"null", b"{}", b"[1]", b'{"id": ', b"\xff", b"3"]
    )
    def test_a_damaged_line_is_named_with_the_cure(self, tmp_path: Path, line: bytes) -> None:
        journal = Journal(tmp_path / "j.jsonl")
        journal.path.write_bytes(b'{"id": "a"}\n' + line + b'\n{"id": "c"}\n')
        with pytest.raises(InputError, match=r"j\.jsonl is damaged in line 2; remove its folder"):
            journal.read()


def append_100_times(journal: Journal, writer: int) -> None:
    for number in range(100):
        journal.append([{"writer": writer, "n": number, "text": "x" * 5000}])
