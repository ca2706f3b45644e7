"""Several processes on one task, as torchrun starts them: ranks, shards, and collectives.

In a single process the collectives return their argument. All processes must have
the same WORK folder: each reads it, and the main one (rank 0) writes the common files.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from itertools import chain, zip_longest
from typing import Any, TypeVar

import torch
from torch import distributed

from lib import artifacts
from lib import device as machine
from lib.artifacts import Draft, Request
from lib.errors import InputError
from lib.parallel import count_cores

T = TypeVar("T")
TIMEOUT = timedelta(hours=1)  # of a collective: the main process may have weights to download

PROCESSES = "LOCAL_WORLD_SIZE"  # how many this machine has, set by torchrun


def world_size() -> int:
    """Return the number of processes; 1 without torchrun."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Return the rank of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main() -> bool:
    """Return True in the process of rank 0, which writes the common files."""
    return rank() == 0


def cores_per_process(limit: int) -> int:
    """Return the cores for each process of this machine: at least 1, at most `limit`."""
    processes = int(os.environ.get(PROCESSES, "1"))
    return max(1, min(limit, count_cores() // processes))


def progress_disabled() -> bool | None:
    """Return the `disable` of tqdm: only the main process shows a bar, and only on a terminal."""
    return None if is_main() else True


@contextmanager
def process_group(device: str, parallel: int | None = None) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if any; only the main one prints.

    Args:
        device: value of the `--device` flag; "auto" and "cuda" mean another GPU in each process.
        parallel: value of `--parallel`, which torchrun excludes.

    Yields:
        The device of this process.

    Raises:
        InputError: if there is no such device, or another process was lost. A process that is alone
            has not used its device yet: see `fold_processes.run_each`.
    """
    if not os.environ.get("WORLD_SIZE", "1").isdecimal():
        raise InputError(f"WORLD_SIZE is {os.environ['WORLD_SIZE']}: start the stage with torchrun")
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    if not alone and device.startswith("cuda:"):
        raise InputError(f"--device {device} is one GPU for all of torchrun's processes; give cuda")
    if not alone and "RANK" not in os.environ:
        raise InputError("WORLD_SIZE is set, and RANK is not: start the stage with torchrun")
    if not alone and parallel:
        raise InputError(
            f"--parallel {parallel} runs folds side by side, torchrun one fold on all GPUs: leave "
            "one of them out"
        )
    selected = machine.select_device(device)
    if alone:
        yield selected
        return
    machine.use_device(selected)
    backend = "cpu:gloo,cuda:nccl" if selected.type == "cuda" else "gloo"
    try:
        distributed.init_process_group(backend, timeout=TIMEOUT)
        if is_main():
            yield selected
        else:
            with open(os.devnull, "w") as devnull, redirect_stdout(devnull):
                yield selected
    except RuntimeError as error:
        if "onnection" in str(error):  # closed or reset by peer
            own = os.environ["RANK"]  # the group may not exist yet
            raise InputError(f"process {own} lost another one, whose lines say why") from error
        raise
    distributed.destroy_process_group()


def barrier() -> None:
    """Wait until every process has arrived."""
    all_gather([None])  # a broadcast would not make the main process wait for the others


def run_on_main(function: Callable[[], T]) -> T:
    """Call a function in the main process only, and return its result in all.

    Raises:
        SystemExit: in the other processes, if the main one failed; it reports the error itself.
    """
    if world_size() == 1:
        return function()
    message: list[Any] = [None, True]  # result, failed
    try:
        if is_main():
            message = [function(), False]
    finally:
        distributed.broadcast_object_list(message)
    result, failed = message
    if failed:
        raise SystemExit(2)
    return result


@contextmanager
def begin_artifacts(requests: Sequence[Request], replace: bool) -> Iterator[list[Draft | None]]:
    """Begin the artifacts of a command, in all of its processes; see `artifacts.begin_all`.

    Yields:
        The drafts, the same in all processes; None, after a line that says so, for those that are
        up to date. At the end, those that have no work yet are removed; but see `Draft.close`.
    """
    drafts = run_on_main(lambda: artifacts.begin_all(requests, replace))
    for (location, *_), draft in zip(requests, drafts, strict=True):
        if not draft:
            begun = "; a new one is unfinished, and --replace continues it"
            print(f"up to date: {location}{begun * location.partial.exists()}")
    try:
        yield drafts
    finally:
        left = [draft for draft in drafts if draft and draft.folder.exists()]
        for draft in filter(None, drafts if is_main() else []):
            draft.close(others_finished=len(left) < len(drafts))


def finish_artifact(draft: Draft, device: torch.device, **details: Any) -> None:
    """Finish an artifact on the main process; device and details go into `made` of its manifest."""
    if is_main():
        draft.finish(distributed=world_size(), **details, **machine.describe(device))


def shard(items: Sequence[T]) -> Sequence[T]:
    """Return the items of this process: every world_size-th, from its rank."""
    return items[rank() :: world_size()]


def all_gather(local_items: Iterable[T]) -> list[T]:
    """Return the items of all processes, in their order before `shard`, in every process."""
    items = list(local_items)
    if world_size() == 1:
        return items
    shards: list[Any] = [None] * world_size()
    distributed.all_gather_object(shards, items)
    padding = object()
    interleaved = chain.from_iterable(zip_longest(*shards, fillvalue=padding))
    return [item for item in interleaved if item is not padding]


@torch.no_grad()
def all_reduce(tensors: Sequence[torch.Tensor]) -> None:
    """Replace each tensor by its sum over all processes, in place, in one message."""
    if world_size() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


@torch.no_grad()
def all_reduce_mean(tensors: Sequence[torch.Tensor]) -> None:
    """Replace each tensor by its mean over all processes, in place."""
    all_reduce(tensors)
    for tensor in tensors:
        tensor.div_(world_size())
