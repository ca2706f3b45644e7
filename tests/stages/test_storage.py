"""A full disk or a folder without write permission: one line, no artifact, and a resume."""

from pathlib import Path

import pytest

from lib import artifacts
from lib.layout import Work
from tests.stages.commands import error_line, run

# A stage that writes 9 files of 100 kB; before the third, the disk fails as named by the argument.
STAGE = """
import os, resource, sys
from pathlib import Path
from lib import artifacts, files
from lib.cli import run_stage
from lib.layout import Work

def fail(disk, folder):
    if disk == "full":  # a limit on the size of files acts like a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    elif disk == "locked":
        folder.chmod(0o500)
        if os.geteuid() == 0:  # root may write anywhere
            os.seteuid(65534)

def main():
    draft = artifacts.begin(Work(Path(sys.argv[1])).cache(64), {"size": 64})
    for number in range(9):
        if number == 2:
            fail(sys.argv[2], draft.path("x").parent)
        if not draft.path(f"{number}.bin").exists():
            files.write_bytes(draft.path(f"{number}.bin"), bytes(100_000))
            print(number)
    draft.finish()

run_stage(main)
"""


@pytest.mark.parametrize(("disk", "file"), [("full", "/2.bin"), ("locked", "")])
def test_the_same_command_goes_on_once_the_disk_can_be_written(
    tmp_path: Path, disk: str, file: str
) -> None:
    location = Work(tmp_path).cache(64)
    line = error_line("-c", STAGE, tmp_path, disk)
    assert f"{location.partial}{file}" in line
    assert "the same command" in line
    assert not location.folder.exists()
    location.partial.chmod(0o700)
    assert run("-c", STAGE, tmp_path, "good").stdout.split() == list("2345678")
    assert len(artifacts.read(location).files) == 9
    assert artifacts.verify(tmp_path) == []


def test_a_work_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    assert str(tmp_path / "work") in error_line("-c", STAGE, tmp_path / "work", "good")
