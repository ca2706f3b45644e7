"""A full disk or a folder without write permission: one line, no artifact, and a resume."""

import subprocess
import sys
from pathlib import Path

from lib import artifacts
from lib.layout import Work

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


def run_stage(work: Work, disk: str = "good") -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", STAGE, str(work.root), disk]
    return subprocess.run(command, capture_output=True, text=True)


def error_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_the_same_command_goes_on_after_a_full_disk_has_space_again(tmp_path: Path) -> None:
    work = Work(tmp_path)
    line = error_line(run_stage(work, "full"))
    assert f"{work.cache(64).partial}/2.bin" in line
    assert "the same command" in line
    assert not work.cache(64).folder.exists()
    again = run_stage(work)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split() == list("2345678")
    assert len(artifacts.read(work.cache(64)).files) == 9
    assert artifacts.verify(tmp_path) == []


def test_the_same_command_goes_on_after_write_permission_is_given(tmp_path: Path) -> None:
    work = Work(tmp_path)
    line = error_line(run_stage(work, "locked"))
    assert str(work.cache(64).partial) in line
    assert "the same command" in line
    assert not work.cache(64).folder.exists()
    work.cache(64).partial.chmod(0o700)
    assert run_stage(work).returncode == 0


def test_a_work_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    assert str(tmp_path / "work") in error_line(run_stage(Work(tmp_path / "work")))
