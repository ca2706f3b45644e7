"""Times side by side, on any device."""

import time
from collections.abc import Callable, Mapping

import torch

NO_GPU = "no GPU"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told; a CPU has, always."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(task: Callable[[], object], device: torch.device) -> float:
    """How long a task takes, to the end of what it starts on the device."""
    synchronize(device)
    start = time.perf_counter()
    task()
    synchronize(device)
    return time.perf_counter() - start


def side_by_side(
    tasks: Mapping[str, Callable[[], object]], rounds: int, device: torch.device
) -> dict[str, float]:
    """The seconds that each task takes at its best: all once unmeasured, then in turn."""
    for task in tasks.values():
        task()
    times = [{name: seconds(task, device) for name, task in tasks.items()} for _ in range(rounds)]
    return {name: min(row[name] for row in times) for name in tasks}


def peak_memory(task: Callable[[], object], device: torch.device) -> str:
    """The most memory of a GPU that tensors take while a task runs."""
    if device.type != "cuda":
        return NO_GPU
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    seconds(task, device)
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB"
