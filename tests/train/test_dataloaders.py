"""Data loaders: the number of their processes. Their batches are tested with trainings."""

import os

import pytest
import torch

from lib.train.dataloaders import MAX_WORKERS, default_workers, loader_options

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
