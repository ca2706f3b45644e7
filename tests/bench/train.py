"""Speed of a training step, against published pipelines and against its own arithmetic.

    python -m tests.bench train [--device auto] [--images 16] [--gpu-images 2560] [--rounds 3]

The compared steps run in turn in one process, on the same network, loss and batch; the best round
counts. Rows that need a GPU say so where there is none.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np
import torch

from lib import device as machine
from lib.layout import Work
from lib.train.cost import count_training
from lib.train.dataloaders import default_workers
from lib.train.phase import PhaseTraining
from tests.bench import reference_torch, workloads
from tests.bench.harness import NO_GPU, Row, best_times, parse_args

CPU = torch.device("cpu")
SIZES, BATCH = (128, 256), 8  # px and images, r34_512 on a CPU
ON_GPU = (("r34_512", 512, 16), ("r34_512", 1024, 4), ("niu_se_resnext50", 512, 16))
SIDE = 8192  # of square matrices: their product is the highest rate of the device
FIGURES = {
    "images/s, data in the loop": "",
    "data in the loop / fixed batch on the device": "at least 0.95",
    "stage 02 / float32 NCHW": "at least 3",
    "FLOP/s / those of a matrix product": "",
    "peak memory": "",
}


def fixed_batch_epoch(training: PhaseTraining) -> Callable[[], object]:
    """Return an epoch of stage 02's loop, always on its first batch, kept on the device."""
    loader = training.train_loader
    batch = [part.to(training.job.device) for part in next(iter(loader))]

    def epoch() -> None:
        training.train_loader = [batch] * len(training.batches)
        training.train_batches(0, [])
        training.train_loader = loader

    return epoch


def published_steps(training: PhaseTraining) -> Callable[[], object]:
    """Return the same number of published steps, on the same batch."""
    step = reference_torch.Step(training.job.recipe, training.job.device)
    gray, masks = (part.to(training.job.device) for part in next(iter(training.train_loader)))
    batch = reference_torch.normalise(step.model, gray), masks.float()
    return lambda: [step(*batch) for _ in training.batches]


def measure_cpu(work: Work, size: int, rounds: int) -> Row:
    """Measure stage 02's step against the published one, without loading data."""
    recipe = workloads.one_phase("r34_512", size, BATCH)
    with workloads.training_phase(work, recipe, CPU, workers=0) as training:
        stage, published = best_times(
            rounds, fixed_batch_epoch(training), published_steps(training)
        )
        images = BATCH * len(training.batches)
    value = f"{published / stage:.2f} ({images / stage:.1f} images/s)"
    return Row(f"r34_512 at {size} on the CPU: stage 02 / float32 NCHW", value, "at least 1.35")


def measure_gpu(
    work: Work, name: str, size: int, batch: int, rounds: int, device: torch.device
) -> list[str]:
    """Return the values of FIGURES for a recipe."""
    recipe = workloads.one_phase(name, size, batch)
    with workloads.training_phase(work, recipe, device, default_workers(device)) as training:
        batches = len(training.batches)
        without_data = fixed_batch_epoch(training)
        memory = workloads.peak_memory(without_data, device)
        flops = batches * batch * count_training(recipe, np.array([True])).flops_per_image
        tasks = lambda: training.train_batches(0, []), without_data, published_steps(training)
        synchronize = partial(workloads.synchronize, device)
        with_data, stage, published = best_times(rounds, *tasks, finish=synchronize)
    return [
        f"{batches * batch / with_data:.1f}",
        f"{stage / with_data:.3f}",
        f"{published / stage:.2f}",
        f"{flops / stage / matrix_flops(device, rounds):.3f} ({flops / stage / 1e12:.1f} TFLOP/s)",
        memory,
    ]


def matrix_flops(device: torch.device, rounds: int) -> float:
    """Measure the FLOP/s of a large matrix product in the device's precision."""
    left, right = torch.randn(2, SIDE, SIDE, device=device, dtype=machine.precision(device))
    synchronize = partial(workloads.synchronize, device)
    (seconds,) = best_times(max(rounds, 2), lambda: left @ right, finish=synchronize)
    return 2 * SIDE**3 / seconds


def measure_all_on_gpu(device: torch.device, images: int, rounds: int) -> list[Row]:
    """Measure FIGURES for every recipe of ON_GPU; without a GPU the rows say so."""
    titles = [f"{name} at {size}" for name, size, _ in ON_GPU]
    if device.type != "cuda":
        cells = product(titles, FIGURES.items())
        return [Row(f"{t}: {figure}", NO_GPU, target) for t, (figure, target) in cells]
    rows = []
    with workloads.prepared(images, sorted({size for _, size, _ in ON_GPU})) as work:
        for title, (name, size, batch) in zip(titles, ON_GPU, strict=True):
            values = measure_gpu(work, name, size, batch, rounds, device)
            cells = zip(FIGURES.items(), values, strict=True)
            rows += [Row(f"{title}: {f}", value, target) for (f, target), value in cells]
    return rows


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv, __doc__, images=2 * BATCH, gpu_images=2560, rounds=3, device="auto")
    device = machine.select_device(args.device)
    machine.use_device(device)  # as the stages do
    with workloads.prepared(args.images, SIZES) as work:
        rows = [measure_cpu(work, size, args.rounds) for size in SIZES]
    rows += measure_all_on_gpu(device, args.gpu_images, args.rounds)
    workloads.print_with_device(rows, device)
