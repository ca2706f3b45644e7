"""A disk that is full, read-only, or another's: a line, nothing marked complete, and on it goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from lib import artifacts
from lib.layout import Work

# 9 files of 100 kB; with a limit on the size of files, the third is one too many.
STAGE = """
import errno, os, resource, sys
from pathlib import Path
from lib import artifacts, files
from lib.cli import run_stage
from lib.layout import Work

ERRORS = {"Read-only file system": errno.EROFS, "Permission denied": errno.EACCES}

def spoil(disk):
    if disk == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    elif disk in ERRORS:
        def refuse(old, new):
            raise OSError(ERRORS[disk], disk, str(new))
        os.replace = refuse

def main():
    draft = artifacts.begin(Work(Path(sys.argv[1])).cache(64), {"size": 64})
    for number in range(9):
        if number == 2:
            spoil(sys.argv[2])
        if not draft.path(f"{number}.bin").exists():
            files.write_bytes(draft.path(f"{number}.bin"), bytes(100_000))
            print(number)
    draft.finish()

run_stage(main)
"""


def stage(work: Work, disk: str) -> subprocess.CompletedProcess:
    words = [sys.executable, "-c", STAGE, str(work.root), disk]
    return subprocess.run(words, capture_output=True, text=True)


def test_a_full_disk_is_a_line_and_the_same_command_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    work = Work(tmp_path)
    full = stage(work, "full")
    assert full.returncode == 2
    assert full.stderr.count("\n") == 1
    assert full.stderr.startswith(f"error: File too large: {work.cache(64).partial}/2.bin")
    assert "nothing is lost" in full.stderr
    assert not work.cache(64).folder.exists()
    again = stage(work, "has room")
    assert again.returncode == 0, again.stderr
    assert again.stdout.split() == list("2345678")
    assert len(artifacts.read(work.cache(64)).files) == 9
    assert artifacts.verify(tmp_path) == []


@pytest.mark.parametrize("disk", ["Read-only file system", "Permission denied"])
def test_a_disk_that_may_not_be_written_is_a_line(tmp_path: Path, disk: str) -> None:
    """The renaming stands in for the disk: who runs the tests may write anywhere."""
    work = Work(tmp_path)
    refused = stage(work, disk)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: {disk}: ")
    assert refused.stderr.count("\n") == 1
    assert not work.cache(64).folder.exists()
    assert stage(work, "has room").returncode == 0


def test_a_work_that_is_a_file_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    refused = stage(Work(tmp_path / "work"), "has room")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
