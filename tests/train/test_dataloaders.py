"""Data loaders: their samples and processes. Their batches are tested with trainings too."""

import os

import pytest
import torch

from lib import artifacts, dataset
from lib.layout import Work
from lib.train.augment import Augmentation
from lib.train.dataloaders import (
    MAX_WORKERS,
    CachedImages,
    TrainingSet,
    default_workers,
    loader_options,
)
from tests.tiny_runs import SIZE

GPU, CPU = torch.device("cuda"), torch.device("cpu")


def test_gpus_divide_the_cores_of_their_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = os.cpu_count() or 1
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert default_workers(GPU) == min(MAX_WORKERS, cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(cores))  # torchrun sets it on each machine
    assert default_workers(GPU) == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(2 * cores))
    assert default_workers(GPU) == 1


def test_a_cpu_loads_its_images_itself_unless_workers_are_given() -> None:
    assert loader_options(None, CPU)["num_workers"] == 0
    assert loader_options(3, CPU)["num_workers"] == 3


def test_each_draw_of_an_image_in_an_epoch_is_augmented_in_its_own_way(work: Work) -> None:
    source = CachedImages(artifacts.read(work.cache(SIZE)), dataset.read(work), "none")
    augment = Augmentation("standard", SIZE, crop=None)
    samples = TrainingSet(source, ["image00", "image01"], augment, key=(42, 0))
    first, second, again = (samples[3, 0, draw][0] for draw in (0, 1, 0))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
