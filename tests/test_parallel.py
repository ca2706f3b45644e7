"""Several processes give the same results, in the same order, as one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib import parallel
from lib.errors import InputError
from tests.processes import is_alive, wait_until

ROOT = Path(__file__).resolve().parents[1]


def square(number: int) -> int:
    if number < 0:
        raise InputError(f"{number} is negative")
    return number**2


def kill_own_process(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def write_pid_and_sleep(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(60)


@pytest.mark.parametrize("count", [0, 1, parallel.CHUNK_SIZE, 3 * parallel.CHUNK_SIZE + 1])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    assert list(parallel.map_in_processes(square, range(count), "squares")) == [
        n**2 for n in range(count)
    ]


@pytest.mark.parametrize("count", [1, 3 * parallel.CHUNK_SIZE])
def test_an_error_of_the_function_reaches_the_caller(count: int) -> None:
    with pytest.raises(InputError, match="-1 is negative"):
        list(parallel.map_in_processes(square, [-1] * count, "squares"))


@pytest.mark.parametrize(("workers", "cure"), [(2, "fewer --workers than 2"), (None, "memory")])
def test_a_killed_worker_is_a_line_with_the_cure(workers: int | None, cure: str) -> None:
    """As the kernel kills where memory is short."""
    with pytest.raises(InputError, match=f"was killed, .* {cure}.* to continue"):
        list(
            parallel.map_in_processes(kill_own_process, range(2 * parallel.CHUNK_SIZE), "", workers)
        )


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from lib import parallel; from tests.test_parallel import *\n"
        f"folders = [Path({str(tmp_path)!r})] * 2 * parallel.CHUNK_SIZE\n"
        "list(parallel.map_in_processes(write_pid_and_sleep, folders, '-'))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(tmp_path.iterdir())) == min(2, os.cpu_count() or 1))
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(is_alive(path.name) for path in tmp_path.iterdir()))
