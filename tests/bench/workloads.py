"""Workloads of the benchmarks of 02 and 03: phantoms, a phase of training, a run to infer."""

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
from lib.files import remove
from lib.infer import predict
from lib.layout import Work
from lib.models import build_model, weights
from lib.prepare.phantom import write_phantoms
from lib.recipes import Recipe
from lib.train.phase import PhaseTraining, TrainingJob
from tests.bench.harness import NO_GPU, Row, print_table, run_stage, time_wall

MIN_IMAGES = 16  # training phantoms: fewer might give a fold without a positive
MIN_TEST_IMAGES = 4
UNLABELLED = 2  # training phantoms without a label


@contextmanager
def prepared(train: int, sizes: Sequence[int], test: int = MIN_TEST_IMAGES) -> Iterator[Work]:
    """Yield a temporary WORK with prepared phantoms, as large as the largest cache."""
    with tempfile.TemporaryDirectory() as folder:
        work, raw = Work(Path(folder) / "work"), Path(folder) / "raw"
        write_phantoms(raw, n_train=train + UNLABELLED, n_test=test, size=max(sizes))
        flags = ["--raw", raw, "--n-folds", 2, "--rle-size", max(sizes), "--sizes", *sizes]
        run_stage(work.root, "01_prepare.py", *map(str, flags))
        yield work


def one_phase(name: str, size: int, batch: int) -> Recipe:
    """Return the first phase of a recipe, from random weights, with every image once an epoch."""
    recipe = recipes.get(name)
    phase = replace(
        recipe.phases[0], size=size, crop=None, batch=batch, freeze="nothing", freeze_epochs=None,
        positive_rate=None, positive_rate_end=None, replacement=False,
    )  # fmt: skip
    network = replace(recipe.network, encoder_weights="none")
    return replace(recipe, network=network, phases=(phase,))


@contextmanager
def training_phase(
    work: Work, recipe: Recipe, device: torch.device, workers: int
) -> Iterator[PhaseTraining]:
    """Yield the first phase of a recipe, ready to train on all phantoms."""
    data, size = dataset.read(work), recipe.phases[0].size
    caches = {size: artifacts.read(work.cache(size))}
    draft = begin_again(work.run("bench", layout.ALL_DATA))
    job = TrainingJob(draft, recipe, layout.ALL_DATA, data, caches, "none", device, workers)
    model = build_model(recipe).to(device).to(memory_format=torch.channels_last)
    yield PhaseTraining(job, model, 0)
    draft.lock.release()


def begin_again(location: layout.ArtifactPath) -> Draft:
    """Begin an artifact, and remove an earlier one, also an unfinished one of the same command."""
    remove(location.partial)
    draft = artifacts.begin(location, {}, replace=True)
    assert draft
    return draft


def make_random_run(work: Work, recipe: Recipe) -> Artifact:
    """Write a run with one checkpoint of random weights."""
    draft = begin_again(work.run("bench", layout.ALL_DATA))
    weights.save(draft.path("weights/phase0_epoch000.pt"), build_model(recipe).state_dict())
    return draft.finish()


@contextmanager
def inference_job(
    work: Work, recipe: Recipe, run: Artifact, device: torch.device
) -> Iterator[predict.InferenceJob]:
    """Yield the job of stage 03 for the test maps of a run, with flips."""
    size = recipe.phases[-1].size
    draft = begin_again(work.probs("bench", layout.ALL_DATA))
    cache, batch = artifacts.read(work.cache(size)), predict.default_batch(size, device)
    ids = test_ids(work)
    yield predict.InferenceJob(draft, recipe, run, cache, [], ids, True, batch, device)
    draft.lock.release()


def test_ids(work: Work) -> list[str]:
    """Return the ids of the images that a benchmark of inference maps."""
    return dataset.read(work).test_ids


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has finished; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(task: Callable[[], object], device: torch.device) -> str:
    """Return the peak GPU memory of tensors during a task, as text."""
    if device.type != "cuda":
        return NO_GPU
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    time_wall(task, partial(synchronize, device))
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB"


def describe_device(device: torch.device) -> str:
    """Return the device, its precision, threads and library version, as text."""
    facts = machine.describe(device) | {"cores": os.cpu_count(), "torch": torch.__version__}
    return ", ".join(f"{key} {value}" for key, value in facts.items())


def print_with_device(rows: Sequence[Row], device: torch.device) -> None:
    """Print the device and the table."""
    print(f"{describe_device(device)}\n")
    print_table(rows)
