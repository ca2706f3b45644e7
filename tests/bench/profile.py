"""Operations that take most of a demo epoch, in the published step and in that of stage 02.

python -m tests.bench profile [--device auto] [--images 64] [--top 8]
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from lib import device as machine
from tests.bench import train, workloads
from tests.bench.harness import best_times, parse_args, time_wall

SIZE, BATCH = 128, 4  # px and images, as in the demo recipe


def top_operations(
    task: Callable[[], object], device: torch.device, count: int
) -> list[tuple[str, float]]:
    """Return the `count` operations with the most time of their own, and their fractions of all."""
    task()
    gpu = device.type == "cuda"
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * gpu
    with profile(activities=kinds) as profiler:
        time_wall(task, partial(workloads.synchronize, device))
    # Rows of the host only: rows of the GPU would count the time of its kernels a second time.
    rows = [row for row in profiler.key_averages() if row.device_type == DeviceType.CPU]
    self_times = {
        row.key: row.self_device_time_total if gpu else row.self_cpu_time_total for row in rows
    }
    ranked = sorted(self_times.items(), key=lambda item: -item[1])[:count]
    return [(name, time / sum(self_times.values())) for name, time in ranked]


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv, __doc__, images=64, top=8, device="auto")
    device = machine.select_device(args.device)
    machine.use_device(device)  # as the stages do
    recipe = workloads.one_phase("demo", SIZE, BATCH)
    with (
        workloads.prepared(args.images, [SIZE]) as work,
        workloads.training_phase(work, recipe, device, workers=0) as training,
    ):
        tasks = {
            "published": train.published_steps(training),
            "stage 02": lambda: training.train_batches(0, []),
        }
        times = best_times(2, *tasks.values(), finish=partial(workloads.synchronize, device))
        print(f"{workloads.describe_device(device)}; {len(training.batches)} batches of {BATCH}\n")
        for (name, task), time in zip(tasks.items(), times, strict=True):
            print(f"| {name}: {time:.1f} s an epoch | of all |\n|---|---|")
            for operation, fraction in top_operations(task, device, args.top):
                print(f"| `{operation}` | {fraction:.1%} |")
            print()
