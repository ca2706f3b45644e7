"""Folds side by side: each in a process of its own, on the next free device.

Every line of a process is printed and goes into its log, WORK/logs/<artifact>.txt. The processes
end with this one, however it ends; it holds the locks of their artifacts meanwhile.
"""

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

import torch

from lib import cli, distributed
from lib.artifacts import Draft
from lib.device import use_device
from lib.errors import InputError
from lib.parallel import end_with_parent


class Job(Protocol):
    """One fold to make: a dataclass that another process can be sent."""

    @property
    def draft(self) -> Draft: ...

    @property
    def device(self) -> torch.device: ...


AnyJob = TypeVar("AnyJob", bound=Job)


def choose_devices(
    device: torch.device, flag: str, parallel: int | None, n_folds: int
) -> list[torch.device]:
    """Return the device of each process that works at the same time.

    Args:
        device: that of this process.
        flag: value of `--device`; "auto" and "cuda" mean every GPU there is.
        parallel: value of `--parallel`; None: one process on each GPU, or one on the CPU.
        n_folds: there are at most as many processes.
    """
    if distributed.world_size() > 1:
        return [device]
    if device.type == "cuda" and flag in ("auto", "cuda"):
        devices = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    else:
        devices = [device]
    n_processes = min(parallel or len(devices), n_folds)
    return [devices[number % len(devices)] for number in range(n_processes)]


def run_each(
    function: Callable[[AnyJob], None], jobs: Iterable[AnyJob], devices: Sequence[torch.device]
) -> None:
    """Call a function for each job, as many at a time as there are devices.

    Args:
        function: importable in another process.
        jobs: a fold each.
        devices: one for each process; with a single one, all is done in this process.

    Raises:
        InputError: if jobs failed; the others have gone on to their ends.
    """
    jobs = list(jobs)
    if len(devices) > 1:
        failures = _run_side_by_side(function, jobs, devices)
    else:
        use_device(devices[0])
        failures = _run_in_turn(function, jobs)
    if failures:
        raise InputError(f"{'; '.join(failures)}; run the same command again for what is missing")


def _run_in_turn(function: Callable[[AnyJob], None], jobs: Sequence[AnyJob]) -> list[str]:
    """Run jobs one after the other in this process; return those that failed, and why.

    Raises:
        InputError: of a job that is the only one, that torchrun's processes share, or that has no
            work yet: the others would end alike.
    """
    failures = []
    for job in jobs:
        job.draft.started = time.time()
        try:
            function(job)
        except InputError as error:
            if len(jobs) == 1 or distributed.world_size() > 1 or not job.draft.has_work:
                raise
            failures.append(f"{job.draft.location} failed: {error}")
            print(failures[-1], file=sys.stderr, flush=True)
    return failures


def _run_side_by_side(
    function: Callable[[AnyJob], None], jobs: Sequence[AnyJob], devices: Sequence[torch.device]
) -> list[str]:
    """Run each job in a process, on the next free device; return those that failed, and why.

    A device on which one failed gets no other, as long as there are others: it may be broken.
    """
    slots = list(devices[: max(1, len(jobs))])
    n_processes, lock = len(slots), threading.Lock()
    free: queue.SimpleQueue[torch.device] = queue.SimpleQueue()
    for device in slots:
        free.put(device)

    def run(job: AnyJob) -> str:
        device, failure = free.get(), "an error of this program"
        try:
            failure = _run_in_process(function, replace(job, device=device), n_processes)  # type: ignore[type-var]
        except OSError as error:
            failure = f"{job.draft.location} failed: {error}"
        finally:
            with lock:
                if failure and any(other != device for other in slots):
                    slots.remove(device)
                else:
                    free.put(device)
        return failure

    with ThreadPoolExecutor(n_processes) as pool:
        return list(filter(None, pool.map(run, jobs)))


def _run_in_process(function: Callable[[Any], None], job: Job, n_processes: int) -> str:
    """Run one job in a new process; return what failed, or nothing.

    Raises:
        OSError: if the log cannot be written; the process is ended.
    """
    location = job.draft.location
    log_path = location.root / "logs" / f"{location.name}.txt"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    # No fork: it would copy the locks of other threads, and CUDA does not work in a copy.
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(writer, function, job, n_processes))
    with log_path.open("ab") as log, open(reader.fileno(), "rb", closefd=False) as lines:
        process.start()
        try:
            writer.close()  # the process has its own: the pipe ends when it does
            log.write(f"== {time.strftime('%Y-%m-%d %H:%M:%S')} on {job.device}\n".encode())
            for line in lines:
                log.write(line)
                log.flush()
                print(line.decode(errors="replace"), end="", flush=True)
        except OSError:
            process.terminate()
            raise
        finally:
            process.join()
    code = process.exitcode or 0
    if code == 0:
        return ""
    ending = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return f"{location} {ending} (see {log_path})"


def _work(writer: Connection, function: Callable[[Any], None], job: Job, n_processes: int) -> None:
    """Do a job in its process: its lines go to the parent, it has its part of the cores."""
    for descriptor in (1, 2):
        os.dup2(writer.fileno(), descriptor)
    writer.close()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ[distributed.PROCESSES] = str(n_processes)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(distributed.cores_per_process(torch.get_num_threads()))

    def work() -> None:
        # The parent gets it too, and ends this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        use_device(job.device)
        job.draft.started = time.time()
        function(job)

    cli.run_stage(work)
