"""Two at once: the second is told who is there, and a dead process holds nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lib import artifacts
from lib.errors import InputError
from lib.layout import Work
from lib.lock import Lock

HOLD = """
import sys, time
from pathlib import Path
from lib.lock import Lock
lock = Lock(Path(sys.argv[1]), "it")
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


def holder(path: Path, code: str = HOLD) -> subprocess.Popen:
    """Another process, which holds the lock when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it_until_that_process_is_dead(tmp_path: Path) -> None:
    work = Work(tmp_path)
    other = holder(work.dataset.lock)
    try:
        with pytest.raises(InputError, match=f"dataset is being made by process {other.pid} on"):
            artifacts.begin(work.dataset, {})
        assert not work.dataset.partial.exists()
        assert artifacts.begin(work.cache(64), {})  # another artifact is free
    finally:
        other.kill()
        other.wait()
    assert work.dataset.lock.exists()
    assert artifacts.begin(work.dataset, {})


def test_replace_removes_nothing_that_another_process_makes(tmp_path: Path) -> None:
    work = Work(tmp_path)
    artifacts.begin(work.dataset, {}).finish()
    other = holder(work.dataset.lock)
    try:
        with pytest.raises(InputError, match="is being made by"):
            artifacts.begin(work.dataset, {}, replace=True)
    finally:
        other.kill()
        other.wait()
    assert artifacts.read(work.dataset)


def test_a_child_that_outlives_its_parent_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    fork = HOLD.replace(
        'print("held"', 'import os\nif os.fork() == 0:\n    time.sleep(600)\nprint("held"'
    )
    other = holder(path, f"import os; os.setpgrp()\n{fork}")
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    Lock(path, "it").acquire()
    os.killpg(other.pid, signal.SIGKILL)


def test_a_finished_artifact_leaves_no_lock(tmp_path: Path) -> None:
    work = Work(tmp_path)
    artifacts.begin(work.dataset, {"a": 0}).finish()
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    with pytest.raises(InputError, match="was made with a = 0, not 1"):
        artifacts.begin(work.dataset, {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_lock_taken_and_given_back_is_free(tmp_path: Path) -> None:
    first, second = (Lock(tmp_path / "x.lock", "it") for _ in range(2))
    first.acquire()
    first.acquire()
    first.release()
    assert not (tmp_path / "x.lock").exists()
    second.acquire()
    assert f"process {os.getpid()} on " in (tmp_path / "x.lock").read_text()
