"""Two processes that make one artifact: the second is refused while the first one lives."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lib import artifacts
from lib.artifacts.lock import Lock
from lib.errors import InputError
from lib.layout import Work

HOLD = """
import sys, time
from pathlib import Path
from lib.artifacts.lock import Lock
from lib.layout import Work
lock = Lock(Work(Path(sys.argv[1])).dataset)
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def process_with_lock(work: Work, code: str = HOLD) -> Iterator[int]:
    """Run another process, which holds the dataset's lock; yield its id."""
    command = [sys.executable, "-c", code, str(work.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_second_process_is_refused_and_the_first_one_named(work: Work) -> None:
    with process_with_lock(work) as pid:
        holder = rf"process {pid} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
        with pytest.raises(InputError, match=f"^dataset is being made by {holder}; wait"):
            artifacts.begin(work.dataset, {})
        assert not work.dataset.partial.exists()
        assert artifacts.begin(work.cache(64), {})  # another artifact is free


def test_the_lock_of_a_killed_process_is_free(work: Work) -> None:
    with process_with_lock(work):
        pass
    assert work.dataset.lock.exists()
    assert artifacts.begin(work.dataset, {})
    assert f"process {os.getpid()} on " in work.dataset.lock.read_text()


def test_replace_removes_nothing_that_another_process_makes(work: Work) -> None:
    artifacts.begin(work.dataset, {}).finish()
    with process_with_lock(work), pytest.raises(InputError, match="is being made by"):
        artifacts.begin(work.dataset, {}, replace=True)
    assert artifacts.read(work.dataset)


def test_a_complete_artifact_needs_no_lock(work: Work) -> None:
    """So that a WORK which is read-only can be read."""
    artifacts.begin(work.dataset, {}).finish()
    with process_with_lock(work):
        assert artifacts.begin(work.dataset, {}) is None


def test_a_child_that_outlives_its_parent_holds_nothing(work: Work) -> None:
    fork = HOLD.replace(
        'print("held"', 'import os\nif os.fork() == 0:\n    time.sleep(600)\nprint("held"'
    )
    with process_with_lock(work, fork) as pid:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        Lock(work.dataset).acquire()


def test_a_forked_child_does_not_hold_its_parents_lock(work: Work) -> None:
    draft = artifacts.begin(work.dataset, {})
    child = os.fork()
    if child == 0:
        code = 0
        try:
            artifacts.begin(work.dataset, {})
        except InputError:
            code = 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    assert draft.finish()


def test_a_finished_or_refused_artifact_leaves_no_lock_file(work: Work) -> None:
    artifacts.begin(work.dataset, {"a": 0}).finish()
    assert [path.name for path in work.root.iterdir()] == ["dataset"]
    with pytest.raises(InputError, match="--replace"):
        artifacts.begin(work.dataset, {"a": 1})
    assert [path.name for path in work.root.iterdir()] == ["dataset"]


def test_one_process_may_begin_an_artifact_again(work: Work) -> None:
    first, second = artifacts.begin(work.dataset, {}), artifacts.begin(work.dataset, {})
    second.finish()
    with process_with_lock(work):
        first.lock.release()  # is not the other process's
        assert work.dataset.lock.exists()


def test_a_draft_sent_to_another_process_arrives_without_its_lock(work: Work) -> None:
    draft = artifacts.begin(work.dataset, {})
    code = "import pickle, sys; pickle.load(sys.stdin.buffer).lock.release()"
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(draft), check=True)
    assert work.dataset.lock.exists()
