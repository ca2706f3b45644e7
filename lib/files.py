"""Files that a kill leaves whole: written aside and renamed, or appended line by line."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.errors import InputError
from lib.layout import REMOVED

TEMPORARY = ".tmp"
IMAGE_SUFFIXES = (".png", ".dcm")  # images


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a path to write to, renamed at the end: a file is whole or not there.

    The disk has the content before the name, so that this is true after a power cut too; but of
    images, which are too many to wait for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}{TEMPORARY}")
    try:
        yield aside
        if path.suffix not in IMAGE_SUFFIXES:
            with aside.open("rb") as written:
                os.fsync(written.fileno())
        os.replace(aside, path)
    except OSError as error:  # a full disk is noticed where no name is known
        error.filename = error.filename or str(path)
        raise


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file aside and rename it."""
    with write_aside(path) as aside:
        aside.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON aside and rename it: sorted keys, so that equal content is equal bytes."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    write_bytes(path, text.encode() + b"\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """Records that survive a kill: a JSON line each; a torn last line does not count."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """All records, in their order.

        Raises:
            InputError: if a line before the last is damaged.
        """
        if not self.path.exists():
            return []
        whole, newline, torn = self.path.read_bytes().rpartition(b"\n")
        if torn:  # what is appended next must not grow onto it
            write_bytes(self.path, whole + newline)
        lines = whole.split(b"\n") if whole else []
        return [self._record(line, number) for number, line in enumerate(lines, start=1)]

    def _record(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not record or not isinstance(record, dict):
            raise InputError(
                f"{self.path} is damaged in line {number}; remove and remake its folder: --replace"
            )
        return record

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add records, at once: several processes may write in turn."""
        lines = "".join(f"{json.dumps(record)}\n" for record in records)
        with self.path.open("ab", buffering=0) as file:
            fcntl.lockf(file, fcntl.LOCK_EX)  # until it is closed
            file.write(lines.encode())


def remove(path: Path) -> None:
    """Remove a folder or a file, renamed first: a half-removed folder must not look complete."""
    doomed = path.with_name(f"{path.name}{REMOVED}")
    _delete(doomed)
    if os.path.lexists(path):
        os.replace(path, doomed)
        _delete(doomed)


def _delete(path: Path) -> None:
    """Remove a folder with all that is in it, or a file; of a link, the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
