"""Processes that do one task together, as torchrun starts them: who this one is, what all know.

Every function also works alone, where it does nothing or returns what it was given. WORK must be
the same folder for all: each reads it, the first one writes what is written once.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from itertools import chain, zip_longest
from typing import Any, TypeVar

import torch
from torch import distributed

from lib import artifacts
from lib import device as machine
from lib.artifacts import Artifact, Draft
from lib.errors import InputError
from lib.layout import ArtifactPath

T = TypeVar("T")
TIMEOUT = timedelta(hours=1)  # with another process: the first one may have weights to fetch


def world_size() -> int:
    """How many processes there are; 1 alone."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main() -> bool:
    """Whether this is the one that writes what is written once."""
    return rank() == 0


def progress_disabled() -> bool | None:
    """For tqdm's `disable`: the first one shows its bar, and only on a terminal."""
    return None if is_main() else True


@contextmanager
def process_group(device: str) -> Iterator[torch.device]:
    """Be one of the processes that torchrun started, or alone; the first one's lines are shown.

    Args:
        device: of the `--device` flag; "auto" and "cuda" are another GPU in each process.

    Yields:
        Where this process computes.

    Raises:
        InputError: if there is no such device, or another process was lost.
    """
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    if not alone and device.startswith("cuda:"):
        raise InputError(f"--device {device} is one GPU for all of torchrun's processes; give cuda")
    where = machine.select_device(device)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    if alone:
        yield where
        return
    backend = "cpu:gloo,cuda:nccl" if where.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=TIMEOUT)
    try:
        if is_main():
            yield where
        else:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
                yield where
    except RuntimeError as error:
        if "onnection" in str(error):  # closed or reset by peer
            raise InputError(f"process {rank()} lost another one, whose lines say why") from error
        raise
    distributed.destroy_process_group()


def barrier() -> None:
    """Wait until every process is here."""
    all_gather([None])  # what the first one tells the others would not make it wait for them


def run_on_main(make: Callable[[], T]) -> T:
    """What `make` returns in the first process, where alone it is called.

    Raises:
        SystemExit: in the others, if the first one failed, and says so itself.
    """
    if world_size() == 1:
        return make()
    box: list[Any] = [None, True]
    try:
        if is_main():
            box = [make(), False]
    finally:
        distributed.broadcast_object_list(box)
    if box[1]:
        raise SystemExit(2)
    return box[0]


def begin_artifact(
    location: ArtifactPath, config: Mapping[str, Any], inputs: Iterable[Artifact], replace: bool
) -> Draft | None:
    """Begin an artifact that all processes fill; see `artifacts.begin`.

    Returns:
        The same draft in all processes; None, after a line that says so, if it is up to date.
    """
    draft = run_on_main(lambda: artifacts.begin(location, config, inputs, replace))
    if draft is None:
        print(f"up to date: {location}")
    return draft


def finish_artifact(draft: Draft, device: torch.device, **details: Any) -> None:
    """Finish an artifact on the main process; device and details go into `made` of its manifest."""
    if is_main():
        draft.finish(distributed=world_size(), **details, **machine.describe(device))


def shard(items: Sequence[T]) -> Sequence[T]:
    """This process's share: every so manyth."""
    return items[rank() :: world_size()]


def all_gather(mine: Iterable[T]) -> list[T]:
    """All items, in the order that they had before `share` dealt them out, in every process."""
    own = list(mine)
    if world_size() == 1:
        return own
    hands: list[Any] = [None] * world_size()
    distributed.all_gather_object(hands, own)
    nothing = object()
    dealt = chain.from_iterable(zip_longest(*hands, fillvalue=nothing))
    return [item for item in dealt if item is not nothing]


@torch.no_grad()
def all_reduce(tensors: Sequence[torch.Tensor]) -> None:
    """Make each tensor the sum of all processes', in place and at once."""
    if world_size() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


@torch.no_grad()
def all_reduce_mean(tensors: Sequence[torch.Tensor]) -> None:
    """Make each tensor the mean of all processes', in place."""
    all_reduce(tensors)
    for tensor in tensors:
        tensor.div_(world_size())
