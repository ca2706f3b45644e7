"""What a training step costs: against published pipelines' step, and against its own arithmetic.

    python -m tests.bench train [--device auto] [--images 16] [--gpu-images 2560] [--rounds 3]

What is compared runs in turn, in one process, on the same network, loss and batch; the best of
all rounds counts. What needs a GPU says so where there is none.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import torch
from torch.utils.flop_counter import FlopCounterMode

from lib import device as machine
from lib.layout import Work
from lib.train.dataloaders import default_workers
from lib.train.phase import PhaseTraining
from tests.bench import published, setting
from tests.bench.clock import side_by_side
from tests.bench.table import NO_GPU, Row

CPU = torch.device("cpu")
SIZES, BATCH = (128, 256), 8  # of r34_512 on a CPU
ON_GPU = (("r34_512", 512, 16), ("r34_512", 1024, 4), ("niu_se_resnext50", 512, 16))
SIDE = 8192  # of the matrices whose product is the most that can be hoped for
FIGURES = {
    "images/s, data in the loop": "",
    "data in the loop / fixed batch on the device": "at least 0.95",
    "ours / float32 NCHW": "at least 3",
    "FLOP/s / those of a matrix product": "",
    "peak memory": "",
}


def fixed(training: PhaseTraining) -> Callable[[], object]:
    """An epoch of the real loop, all on its first batch, which is on the device already."""
    loader = training.train_loader
    batch = [part.to(training.job.device) for part in next(iter(loader))]

    def epoch() -> None:
        training.train_loader = [batch] * len(training.batches)
        training._train(0, [])
        training.train_loader = loader

    return epoch


def as_published(training: PhaseTraining) -> Callable[[], object]:
    """As many published steps, on the same batch."""
    step = published.Step(training.job.recipe, training.job.device)
    gray, masks = (part.to(training.job.device) for part in next(iter(training.train_loader)))
    batch = published.normalised(step.model, gray), masks.float()
    return lambda: [step(*batch) for _ in training.batches]


def cpu_row(work: Work, size: int, rounds: int) -> Row:
    """Our step against the published one, without data."""
    recipe = setting.sized("r34_512", size, BATCH)
    with setting.training(work, recipe, CPU, workers=0) as training:
        ours, theirs = side_by_side(rounds, fixed(training), as_published(training))
        images = BATCH * len(training.batches)
    value = f"{theirs / ours:.2f} ({images / ours:.1f} images/s)"
    return Row(f"r34_512 at {size} on the CPU: ours / float32 NCHW", value, "at least 1.35")


def gpu_values(
    work: Work, name: str, size: int, batch: int, rounds: int, device: torch.device
) -> list[str]:
    """FIGURES of a recipe, measured."""
    recipe = setting.sized(name, size, batch)
    with setting.training(work, recipe, device, default_workers(device)) as training:
        batches = len(training.batches)
        alone = fixed(training)
        memory = setting.peak_memory(alone, device)
        flops = batches * flops_of_step(training)
        tasks = lambda: training._train(0, []), alone, as_published(training)
        fed, ours, theirs = side_by_side(rounds, *tasks, finish=partial(setting.finish, device))
    return [
        f"{batches * batch / fed:.1f}",
        f"{ours / fed:.3f}",
        f"{theirs / ours:.2f}",
        f"{flops / ours / matrix_flops(device, rounds):.3f} ({flops / ours / 1e12:.1f} TFLOP/s)",
        memory,
    ]


def flops_of_step(training: PhaseTraining) -> int:
    """Of convolutions and matrix products, forwards and backwards, of the first batch."""
    images, masks = next(iter(training.train_loader))
    with FlopCounterMode(display=False) as counter:
        training._losses(training.training_loss, images, masks)["loss"].backward()
    training.optimizer.zero_grad()
    return counter.get_total_flops()


def matrix_flops(device: torch.device, rounds: int) -> float:
    """FLOP/s of a product of two large square matrices in the device's precision."""
    left, right = torch.randn(2, SIDE, SIDE, device=device, dtype=machine.precision(device))
    finish = partial(setting.finish, device)
    (best,) = side_by_side(max(rounds, 2), lambda: left @ right, finish=finish)
    return 2 * SIDE**3 / best


def gpu_rows(device: torch.device, images: int, rounds: int) -> list[Row]:
    """FIGURES of every recipe of ON_GPU, or that there is no GPU."""
    titles = [f"{name} at {size}" for name, size, _ in ON_GPU]
    if device.type != "cuda":
        asked = product(titles, FIGURES.items())
        return [Row(f"{t}: {figure}", NO_GPU, target) for t, (figure, target) in asked]
    rows = []
    with setting.prepared(images, sorted({size for _, size, _ in ON_GPU})) as work:
        for title, (name, size, batch) in zip(titles, ON_GPU, strict=True):
            values = gpu_values(work, name, size, batch, rounds, device)
            named = zip(FIGURES.items(), values, strict=True)
            rows += [Row(f"{title}: {f}", value, target) for (f, target), value in named]
    return rows


def main(words: Sequence[str] | None = None) -> None:
    counts = {"images": 2 * BATCH, "gpu-images": 2560, "rounds": 3}
    args = setting.parse(words, "Measure what a training step costs.", **counts)
    device = machine.select_device(args.device)
    with setting.prepared(args.images, SIZES) as work:
        rows = [cpu_row(work, size, args.rounds) for size in SIZES]
    setting.show(rows + gpu_rows(device, args.gpu_images, args.rounds), device)
