"""How fast images reach a network, and how long it waits for them.

    python -m tests.bench feed [--images 96] [--rounds 3] [--workers N]

Phantoms are drawn and prepared first. Both ways of feeding have the winner's augmentation (sneddy)
and as many workers, which are running when the clock starts. The last line is a training as stage
02 does it on a CPU by default: images are loaded between the steps.
"""

import argparse
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
from lib.train.dataloaders import CachedImages, epoch_batches, loader_options, training_loader
from tests.bench import setting
from tests.bench.clock import side_by_side
from tests.bench.prepare import FRAME, phantoms, prepare
from tests.bench.reference import FullSizeSet
from tests.bench.table import Row, show

SIZE, TRAINED, BATCH = 512, 256, 8
CPU = torch.device("cpu")


def ours(work: Work, data: Dataset, workers: int) -> DataLoader:
    """The loader of stage 02."""
    recipe = setting.sized("sneddy_albunet_valid", SIZE, BATCH)
    ids = data.training_ids(ALL_DATA)
    source = CachedImages(artifacts.read(work.cache(SIZE)), data, recipe.input.contrast)
    batches = epoch_batches(source, ids, recipe, 0)
    return training_loader(source, ids, recipe, 0, batches, loader_options(workers, CPU))


def usual(work: Work, data: Dataset, workers: int) -> DataLoader:
    """The loader that decodes and distorts at full size."""
    augment = Augmentation("sneddy", FRAME, None)
    folder = work.cache(FRAME).folder
    images = FullSizeSet(folder, data.training_ids(ALL_DATA), augment, SIZE)
    return DataLoader(images, BATCH, **loader_options(workers, CPU))


def drain(loader: Iterable[Any]) -> None:
    for _ in loader:
        pass


class Watched:
    """A loader that notes how long it was waited for."""

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


def waiting(work: Work, workers: int = 0) -> Row:
    """Train an epoch of the resnet34 U-Net; the share of it without a batch to work on."""
    recipe, cpu = setting.sized("r34_512", TRAINED, BATCH), torch.device("cpu")
    with setting.training(work, recipe, cpu, workers) as training:
        watched = Watched(training.train_loader)
        training.train_loader = watched
        start = time.perf_counter()
        with redirect_stdout(sys.stderr):  # its line is none of the table's
            training.epoch(0, [])
        seconds = time.perf_counter() - start
    share = watched.seconds / seconds
    return Row("share of a training step spent waiting", f"{share:.1%}", "under 3 %")


def rows(images: int, rounds: int, workers: int) -> Iterator[Row]:
    """Ours over the usual way, and the share of waiting."""
    with TemporaryDirectory() as scratch:
        work = Work(Path(scratch) / "work")
        raw = phantoms(Path(scratch) / "raw", images, workers)
        prepare(raw, work, [TRAINED, SIZE, FRAME], workers)
        data = dataset.read(work)
        loaders = ours(work, data, workers), usual(work, data, workers)
        for loader in loaders:
            drain(loader)
        quick, slow = side_by_side(rounds, *(partial(drain, loader) for loader in loaders))
        rate = len(data.training_ids(ALL_DATA)) / quick
        value = f"{slow / quick:.1f} ({rate:.0f} images/s in {workers} workers)"
        yield Row("our images/s over distorting at full size", value, "at least 5")
        yield waiting(work)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure how fast images reach a network.")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    show(rows(**vars(parser.parse_args(words))))


if __name__ == "__main__":
    main()
