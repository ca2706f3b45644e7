"""Phantoms as stage 01 prepares them, a training and a run on them, and how tables are printed."""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from lib import artifacts, dataset, layout, recipes
from lib import device as machine
from lib.artifacts import Artifact, Draft
from lib.infer import predict
from lib.layout import Work
from lib.models import build_model, weights
from lib.prepare.phantom import write_phantoms
from lib.recipes import Recipe
from lib.train.phase import PhaseTraining, TrainingJob
from tests.bench.clock import seconds
from tests.bench.recipes import stage
from tests.bench.table import NO_GPU, Row
from tests.bench.table import show as show_table

LEAST = 16  # training phantoms: some are positive, as folds must have
HELD_OUT = 4  # test phantoms, as few as there can be
UNLABELLED = 2  # of the training phantoms


@contextmanager
def prepared(train: int, sizes: Sequence[int], test: int = HELD_OUT) -> Iterator[Work]:
    """A WORK that lasts as long as it is used: phantoms as large as its largest cache."""
    with tempfile.TemporaryDirectory() as folder:
        work, raw = Work(Path(folder) / "work"), Path(folder) / "raw"
        # Two training phantoms have no label.
        write_phantoms(raw, n_train=train + UNLABELLED, n_test=test, size=max(sizes))
        words = ["--raw", raw, "--n-folds", 2, "--rle-size", max(sizes), "--sizes", *sizes]
        stage(work.root, "01_prepare.py", *map(str, words))
        yield work


def sized(name: str, size: int, batch: int) -> Recipe:
    """The first phase of a recipe, from random weights, every image once an epoch."""
    recipe = recipes.get(name)
    phase = replace(recipe.phases[0], size=size, crop=None, batch=batch, positive_rate=None)
    phase = replace(phase, positive_rate_end=None, freeze="nothing", freeze_epochs=None)
    network = replace(recipe.network, encoder_weights="none")
    return replace(recipe, network=network, phases=(phase,))


@contextmanager
def training(
    work: Work, recipe: Recipe, device: torch.device, workers: int
) -> Iterator[PhaseTraining]:
    """The first phase of a recipe, ready to train on all phantoms."""
    data, size = dataset.read(work), recipe.phases[0].size
    caches = {size: artifacts.read(work.cache(size))}
    draft = begun(work.run("bench", layout.ALL_DATA))
    job = TrainingJob(draft, recipe, layout.ALL_DATA, data, caches, "none", device, workers)
    model = build_model(recipe).to(device).to(memory_format=torch.channels_last)
    yield PhaseTraining(job, model, 0)
    draft.lock.release()


def begun(location: layout.ArtifactPath) -> Draft:
    """An artifact to fill; an earlier one is gone."""
    draft = artifacts.begin(location, {}, replace=True)
    assert draft
    return draft


def run(work: Work, recipe: Recipe) -> Artifact:
    """A run of one checkpoint with random weights."""
    draft = begun(work.run("bench", layout.ALL_DATA))
    weights.save(draft.path("weights/phase0_epoch000.pt"), build_model(recipe).state_dict())
    return draft.finish()


@contextmanager
def inference(
    work: Work, recipe: Recipe, source: Artifact, device: torch.device
) -> Iterator[predict.InferenceJob]:
    """What stage 03 is told for the test maps of a run, with flips."""
    size = recipe.phases[-1].size
    draft = begun(work.probs("bench", layout.ALL_DATA))
    cache, batch = artifacts.read(work.cache(size)), predict.default_batch(size, device)
    ids = test_ids(work)
    yield predict.InferenceJob(draft, recipe, source, cache, [], ids, True, batch, device)
    draft.lock.release()


def test_ids(work: Work) -> list[str]:
    """The images that a benchmark of inference makes maps of."""
    return dataset.read(work).test_ids


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was told; a CPU has, always."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(task: Callable[[], object], device: torch.device) -> str:
    """The most memory of a GPU that tensors take while a task runs."""
    if device.type != "cuda":
        return NO_GPU
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    seconds(task, partial(finish, device))
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB"


def words_of(device: torch.device) -> str:
    """What the figures are of: the card or the CPU, precision, threads."""
    said = machine.describe(device) | {"cores": os.cpu_count(), "torch": torch.__version__}
    return ", ".join(f"{key} {value}" for key, value in said.items())


def show(rows: Sequence[Row], device: torch.device) -> None:
    """The table, and what it was measured on."""
    print(f"{words_of(device)}\n")
    show_table(rows)


def parse(words: Sequence[str] | None, what: str, **counts: int) -> argparse.Namespace:
    """The flags of a benchmark: counts that can be made small, and the device."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--device", default="auto")
    for name, value in counts.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args(words)
