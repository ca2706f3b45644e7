"""Where the time of a demo epoch goes, in the published step and in ours.

python -m tests.bench profile [--device auto] [--images 64] [--top 8]
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from lib import device as machine
from tests.bench import setting, train
from tests.bench.clock import seconds, side_by_side

SIZE, BATCH = 128, 4  # of the demo recipe


def shares(task: Callable[[], object], device: torch.device, top: int) -> list[tuple[str, float]]:
    """The operations that take most of a task's time on the device itself, and their shares."""
    task()
    gpu = device.type == "cuda"
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * gpu
    with profile(activities=kinds) as found:
        seconds(task, partial(setting.finish, device))
    # What the host calls; a GPU's own rows would count the time of its kernels once more.
    called = [row for row in found.key_averages() if row.device_type == DeviceType.CPU]
    own = {
        row.key: row.self_device_time_total if gpu else row.self_cpu_time_total for row in called
    }
    ranked = sorted(own.items(), key=lambda item: -item[1])[:top]
    return [(name, time / sum(own.values())) for name, time in ranked]


def main(words: Sequence[str] | None = None) -> None:
    counts = {"images": 64, "top": 8}
    args = setting.parse(words, "Profile a demo epoch, before and after.", **counts)
    device = machine.select_device(args.device)
    recipe = setting.sized("demo", SIZE, BATCH)
    with (
        setting.prepared(args.images, [SIZE]) as work,
        setting.training(work, recipe, device, workers=0) as training,
    ):
        tasks = {"before": train.as_published(training), "after": lambda: training._train(0, [])}
        times = side_by_side(2, *tasks.values(), finish=partial(setting.finish, device))
        print(f"{setting.words_of(device)}; {len(training.batches)} batches of {BATCH}\n")
        for (name, task), time in zip(tasks.items(), times, strict=True):
            print(f"| {name}: {time:.1f} s an epoch | share |\n|---|---|")
            for operation, share in shares(task, device, args.top):
                print(f"| `{operation}` | {share:.1%} |")
            print()
