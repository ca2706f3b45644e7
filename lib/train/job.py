"""What is to be trained, and what is told of it on the way."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.utils.tensorboard import SummaryWriter

from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.layout import Fold
from lib.recipes import Recipe
from lib.train.checkpoints import Row


@dataclass(frozen=True)
class Job:
    """What is to be trained, on what."""

    draft: Draft
    recipe: Recipe
    fold: Fold
    dataset: Dataset
    caches: Mapping[int, Artifact]  # by size
    encoder_weights: str
    device: torch.device
    workers: int
    compile: bool = False


def print_line(job: Job, what: str, row: Row, seconds: float) -> None:
    """The line of an epoch or of an average."""
    shown = [name for name in ("train_loss", "valid_loss", "valid_dice") if name in row]
    figures = "  ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in shown)
    print(
        f"{job.recipe.name} fold {job.fold}  phase {row['phase'] + 1}/{len(job.recipe.phases)}  "
        f"{what}  {figures}  {seconds:.1f} s",
        flush=True,
    )


def log_epoch(job: Job, row: Row, train_seconds: float, valid_seconds: float) -> None:
    """Times and TensorBoard's events of an epoch go to log/, outside the artifact's id."""
    path = job.draft.path("log/times.csv")
    path.parent.mkdir(exist_ok=True)
    with path.open("a", newline="") as file:
        csv.writer(file).writerow(
            [row["phase"], row["epoch"], round(train_seconds, 3), round(valid_seconds, 3)]
        )
    before = sum(phase.epochs for phase in job.recipe.phases[: row["phase"]])
    with SummaryWriter(str(job.draft.path("log/tb"))) as writer:
        for name, value in row.items():
            writer.add_scalar(name, value, before + row["epoch"])
