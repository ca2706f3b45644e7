"""Several processes on one task, as torchrun would start them on CPUs, and the end of processes."""

import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lib import distributed


def run_as_rank(rank: int, count: int, port: int, task: Callable[[], None]) -> None:
    """Do for one process what torchrun and a stage do."""
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(count), LOCAL_RANK=str(rank),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    with distributed.process_group("cpu"):
        task()


def run_in_processes(task: Callable[[], None], count: int = 2) -> list[int | None]:
    """Run a task in several processes; return their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [
        fork.Process(target=run_as_rank, args=(rank, count, port, task)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        process.kill()
    return [process.exitcode for process in processes]


def is_alive(pid: str) -> bool:
    """Return True if a process runs; a zombie has ended."""
    status = Path("/proc") / pid / "status"
    return status.exists() and "State:\tZ" not in status.read_text()


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition; fail if it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
