"""Speed of the training loader, and the time for which training waits for it.

    python -m tests.bench feed [--images 96] [--rounds 3] [--workers N]

Phantoms are drawn and prepared first. Both loaders use the 1st place's augmentation (sneddy) and
the same number of workers, which have started before the clock does. The last row is a training as
stage 02 runs it on a CPU by default: without workers, images are loaded between the steps.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.utils.data import DataLoader

from lib import artifacts, dataset
from lib.dataset import Dataset
from lib.layout import ALL_DATA, Work
from lib.train.augment import Augmentation
from lib.train.dataloaders import CachedImages, loader_options, training_loader
from tests.bench import workloads
from tests.bench.harness import Row, best_times, parse_args, print_table
from tests.bench.prepare import FRAME, draw_phantoms, prepare
from tests.bench.reference import FullSizeSet

SIZE, TRAINED, BATCH = 512, 256, 8
CPU = torch.device("cpu")


def build_loader(work: Work, data: Dataset, size: int, workers: int) -> DataLoader:
    """Return the loader of stage 02."""
    recipe = workloads.one_phase("sneddy_albunet_valid", size, BATCH)
    ids = data.training_ids(ALL_DATA)
    source = CachedImages(artifacts.read(work.cache(size)), data, recipe.input.contrast)
    return training_loader(source, ids, recipe, 0, loader_options(workers, CPU))[0]


def build_full_size_loader(
    work: Work, data: Dataset, size: int, frame: int, workers: int
) -> DataLoader:
    """Return a loader that decodes and distorts images at their full size."""
    augment = Augmentation("sneddy", frame, None)
    folder = work.cache(frame).folder
    images = FullSizeSet(folder, data.training_ids(ALL_DATA), augment, size)
    return DataLoader(images, BATCH, **loader_options(workers, CPU))


def drain(loader: Iterable[Any]) -> None:
    for _ in loader:
        pass


class TimedLoader:
    """A loader that adds up the seconds for which its user waits."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader, self.seconds = loader, 0.0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        start = time.perf_counter()
        for batch in self.loader:
            self.seconds += time.perf_counter() - start
            yield batch
            start = time.perf_counter()


def measure_waiting(work: Work, size: int, workers: int = 0) -> Row:
    """Train an epoch of the resnet34 U-Net; return the fraction of time without a batch."""
    recipe = workloads.one_phase("r34_512", size, BATCH)
    with workloads.training_phase(work, recipe, CPU, workers) as training:
        timed = TimedLoader(training.train_loader)
        training.train_loader = timed
        start = time.perf_counter()
        with redirect_stdout(sys.stderr):  # the epoch's line is not part of the table
            training.epoch(0, [])
        seconds = time.perf_counter() - start
    value = f"{timed.seconds / seconds:.1%}"
    return Row("fraction of a training step spent waiting", value, "under 3 %")


def measure(
    images: int, rounds: int, workers: int, sizes: tuple[int, int, int] = (TRAINED, SIZE, FRAME)
) -> Iterator[Row]:
    """Measure the loader of stage 02 against the full-size loader, and the waiting.

    Args:
        images: number of phantoms.
        rounds: number of repetitions.
        workers: number of loader processes.
        sizes: sides in px of the training, of the loaders' images, and of the phantoms.
    """
    trained, size, frame = sizes
    with TemporaryDirectory() as scratch:
        work = Work(Path(scratch) / "work")
        raw = draw_phantoms(Path(scratch) / "raw", images, workers, frame)
        prepare(raw, work, sizes, workers, frame)
        data = dataset.read(work)
        loaders = (
            build_loader(work, data, size, workers),
            build_full_size_loader(work, data, size, frame, workers),
        )
        for loader in loaders:
            drain(loader)  # starts the workers
        fast, slow = best_times(rounds, *(partial(drain, loader) for loader in loaders))
        rate = len(data.training_ids(ALL_DATA)) / fast
        value = f"{slow / fast:.1f} ({rate:.0f} images/s in {workers} workers)"
        yield Row("images/s of stage 02 / distorting at full size", value, "at least 5")
        yield measure_waiting(work, trained)


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv, __doc__, images=96, rounds=3, workers=os.cpu_count() or 1)
    print_table(measure(**vars(args)))
