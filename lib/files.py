"""Files that survive a kill: written under a temporary name and renamed, or appended by line."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from lib.errors import InputError
from lib.layout import REMOVED

TEMPORARY = ".tmp"
IMAGE_SUFFIXES = (".png", ".jpg", ".dcm")
POLL_INTERVAL = 0.001  # seconds between attempts to lock a journal


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, renamed at the end: no reader sees half a file.

    Flush to disk before renaming, so that a file is whole after a power cut too. Images are not
    flushed: there are too many.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}{TEMPORARY}")
    try:
        yield aside
        if path.suffix not in IMAGE_SUFFIXES:
            with aside.open("rb") as written:
                os.fsync(written.fileno())
        os.replace(aside, path)
    except OSError as error:  # the error of a full disk has no file name
        error.filename = error.filename or str(path)
        raise


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file under a temporary name and rename it."""
    with write_aside(path) as aside:
        aside.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON as `write_bytes` does, with sorted keys: equal content gives equal bytes."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    write_bytes(path, text.encode() + b"\n")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """Records that survive a kill: one JSON line each; an incomplete last line does not count."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return all records, in their order.

        Raises:
            InputError: if a complete line is damaged. An incomplete last line is removed.
        """
        if not self.path.exists():
            return []
        complete, newline, incomplete = self.path.read_bytes().rpartition(b"\n")
        if incomplete:  # removed, so that the next record does not continue it
            write_bytes(self.path, complete + newline)
        lines = complete.split(b"\n") if complete else []
        return [self._parse(line, number) for number, line in enumerate(lines, start=1)]

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        with suppress(ValueError):
            record = json.loads(line)
            if record and isinstance(record, dict):
                return record
        raise InputError(
            f"{self.path} is damaged in line {number}; remove its folder, and run the same command"
        )

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add records in one write; several processes may append in turn."""
        lines = "".join(f"{json.dumps(record)}\n" for record in records)
        with self.path.open("ab", buffering=0) as file:
            lock_descriptor(file.fileno(), poll_interval=POLL_INTERVAL)  # until it is closed
            file.write(lines.encode())


def remove(path: Path) -> None:
    """Remove a folder or a file; rename it first, so that half a folder never looks complete."""
    renamed = path.with_name(f"{path.name}{REMOVED}")
    _delete(renamed)
    if os.path.lexists(path):
        os.replace(path, renamed)
        _delete(renamed)


def _delete(path: Path) -> None:
    """Remove a folder with its content, a file, or a link but not its target."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
