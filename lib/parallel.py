"""Map a function over many images in several processes, with a progress bar."""

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

# Python's tracker warns at length about the semaphores of a stage that was stopped.
os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")

MAX_PROCESSES = 8  # more would wait for the disk
CHUNK_SIZE = 8  # images sent to a process at once

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_cores() -> int:
    """Return the number of cores that this process may use: all, or those that Slurm gives it."""
    if hasattr(os, "sched_getaffinity"):  # Linux has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    label: str,
    workers: int | None = None,
) -> Iterator[Result]:
    """Yield the result for each item, in order; the number of processes changes nothing.

    Args:
        function: importable in another process; its results should be small.
        items: arguments of the function, one for each call.
        label: text of the progress bar.
        workers: maximum number of processes; by default one for each core, up to 8.

    Raises:
        InputError: if a process was killed.
    """
    limit = workers or min(count_cores(), MAX_PROCESSES)
    processes = min(limit, -(-len(items) // CHUNK_SIZE))
    if processes <= 1:
        yield from _show_progress(map(function, items), len(items), label)
        return
    # No fork: it would copy the locks of OpenCV's threads, but not the threads that free them.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, context, initializer=_start_worker) as pool:
            results = pool.map(function, items, chunksize=CHUNK_SIZE)
            yield from _show_progress(results, len(items), label)
    except BrokenProcessPool:
        cure = f"fewer --workers than {processes}" if workers else "more free memory"
        raise InputError(
            "a process was killed, most often for lack of memory; "
            f"run the same command with {cure} to continue"
        ) from None


def _show_progress(results: Iterator[Result], total: int, label: str) -> Iterator[Result]:
    return iter(tqdm(results, desc=label, total=total, unit="image", disable=None))


def _start_worker() -> None:
    """Prepare a worker: one thread; it ends with its parent, even if the parent was killed."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends the pool
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait for the end of the parent process, however it ends, and end this one."""
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)
