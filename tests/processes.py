"""Several processes on one task, on CPUs, as torchrun would start them."""

import multiprocessing
import os
import socket
from collections.abc import Callable

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
