"""The same work on many images, in several processes, with a progress bar."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2
from tqdm import tqdm

from lib.errors import InputError

# A stage that is stopped leaves its semaphores to Python's tracker, which would say so at length.
os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")

MAX_PROCESSES = 8  # more processes wait for the disk
CHUNK_SIZE = 8  # images that a process takes at once

Job = TypeVar("Job")
Result = TypeVar("Result")


def map_in_processes(
    task: Callable[[Job], Result], jobs: Sequence[Job], label: str, workers: int | None = None
) -> Iterator[Result]:
    """Yield the result of each job, in their order, whatever the number of processes.

    Args:
        task: a function that another process can import; its results are small.
        jobs: what it is called with, one by one.
        label: what the progress bar says.
        workers: processes at most; a core each, up to 8, unless given.

    Raises:
        InputError: if a process was killed.
    """
    most = workers or min(os.cpu_count() or 1, MAX_PROCESSES)
    processes = min(most, -(-len(jobs) // CHUNK_SIZE))
    if processes <= 1:
        yield from _bar(map(task, jobs), jobs, label)
        return
    # Not forked: a fork copies the locks of OpenCV's threads, but not the threads that free them.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, context, initializer=_start_worker) as pool:
            yield from _bar(pool.map(task, jobs, chunksize=CHUNK_SIZE), jobs, label)
    except BrokenProcessPool:
        cure = f"fewer --workers than {processes}" if workers else "more free memory"
        raise InputError(
            "a process was killed, most often for lack of memory; "
            f"the same command with {cure} goes on from here"
        ) from None


def _bar(results: Iterator[Result], jobs: Sequence[Job], label: str) -> Iterator[Result]:
    return iter(tqdm(results, desc=label, total=len(jobs), unit="image", disable=None))


def _start_worker() -> None:
    """Prepare a worker: one thread, and an end when its parent ends, even if that was killed."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and stops the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)
