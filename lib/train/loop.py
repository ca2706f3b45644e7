"""The training of one fold: phases, epochs, batches."""

import csv
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from lib import device as machine
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.errors import InputError
from lib.layout import ALL_DATA, Fold
from lib.models import SegmentationNetwork, build_model, weights
from lib.recipes import Recipe
from lib.train import checkpoints
from lib.train.checkpoints import Row
from lib.train.curves import draw_curves
from lib.train.data import CachedImages, epoch_batches, training_loader, validation_loader
from lib.train.losses import WeightedLoss
from lib.train.optim import build_optimizer, learning_rate, set_rate
from lib.train.sampling import seed_of
from lib.train.validate import validate


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


def train_fold(job: Job) -> list[Row]:
    """Train a recipe on all folds but one, from where an interrupted training stopped.

    The draft receives weights/, history.csv and curves.png, and outside of what counts log/.

    Returns:
        A row an epoch: phase, epoch, lr, training losses, validation figures, score.

    Raises:
        InputError: if pretrained weights cannot be had, or a loss is not finite.
    """
    model = build_model(job.recipe)
    state = checkpoints.resume(job.draft)
    history: list[Row] = state["history"] if state else []
    if state is None:
        print(weights.start_encoder(model, job.recipe, job.encoder_weights))
    model.to(job.device).to(memory_format=torch.channels_last)
    first = int(history[-1]["phase"]) if history else 0
    for index in range(first, len(job.recipe.phases)):
        _train_phase(job, model, index, history, state if index == first else None)
    draw_curves(history, job.draft.path("curves.png"))
    return history


def summary(job: Job, history: list[Row]) -> str:
    """The one line that matters of a training."""
    last = checkpoints.of_phase(history, len(job.recipe.phases) - 1)
    best = checkpoints.best(last, 1)[0]
    name = "train_loss" if job.fold == ALL_DATA else f"valid_{job.recipe.select}"
    figure = f"{name.replace('_', ' ')} {best[name]:.4f}"
    return f"fold {job.fold}: best {figure} in epoch {best['epoch'] + 1:.0f}"


def _train_phase(
    job: Job,
    model: SegmentationNetwork,
    index: int,
    history: list[Row],
    state: Mapping[str, Any] | None,
) -> None:
    """Train a phase, appending a row an epoch to the history."""
    phase = job.recipe.phases[index]
    if state is None and index > 0:
        before = checkpoints.best(checkpoints.of_phase(history, index - 1), 1)[0]
        weights.load_model(model, job.draft.path(checkpoints.weight_file(before)))
    training = PhaseTraining(job, model, index)
    if state is not None:
        training.restore(state)
    while not checkpoints.is_over(phase, rows := checkpoints.of_phase(history, index)):
        row = training.epoch(len(rows), [row["score"] for row in rows])
        history.append(row)
        checkpoints.commit(job.draft, phase, training.state() | {"history": history})


class PhaseTraining:
    """A phase's optimizer, loaders and losses around the network."""

    def __init__(self, job: Job, model: SegmentationNetwork, index: int) -> None:
        self.job, self.model, self.index = job, model, index
        self.phase = job.recipe.phases[index]
        self.criterion = WeightedLoss(self.phase.loss)
        self.optimizer = build_optimizer(self.phase, model.parameters())
        half = machine.precision(job.device) == torch.float16
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=half)
        source = CachedImages(job.caches[self.phase.size], job.dataset)
        ids, held_out = job.dataset.training_ids(job.fold), job.dataset.validation_ids(job.fold)
        self.batches = epoch_batches(source, ids, job.recipe, index)
        self.training = training_loader(source, ids, job.recipe, index, self.batches, job.workers)
        self.validation = validation_loader(source, held_out, self.phase.batch, job.workers)

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def epoch(self, epoch: int, scores: list[float]) -> Row:
        """Train and validate an epoch; the row of it."""
        started = time.perf_counter()
        rate = learning_rate(self.phase, epoch, scores)
        set_rate(self.optimizer, rate)
        row: Row = {"phase": self.index, "epoch": epoch, "lr": rate}
        row |= {f"train_{name}": value for name, value in self._train(epoch).items()}
        trained = time.perf_counter()
        row |= self._validate(epoch, row["train_loss"])
        self._log(row, trained - started, time.perf_counter() - trained)
        return row

    def _train(self, epoch: int) -> dict[str, float]:
        """One pass over the epoch's images; the mean of each loss over batches."""
        self.model.train()
        self.batches.epoch = epoch
        torch.manual_seed(seed_of(self.job.recipe.seed, self.index, epoch))
        sums: dict[str, torch.Tensor] = {}
        batches = len(self.training)
        bar = tqdm(self.training, leave=False, disable=None, desc=f"epoch {epoch}")
        for number, (images, masks) in enumerate(bar):
            last = number + 1 == batches
            group = min(self.phase.accumulate, batches - number + number % self.phase.accumulate)
            losses = self._backward(images, masks, group)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0) + value.detach()
            if last or (number + 1) % self.phase.accumulate == 0:
                self._step()
        means = {name: float(value) / batches for name, value in sums.items()}
        self._check_finite("training", epoch, means["loss"])
        return means

    def _backward(
        self, images: torch.Tensor, masks: torch.Tensor, group: int
    ) -> dict[str, torch.Tensor]:
        """The losses of a batch; gradients are added, divided by the batches of a step."""
        device = self.job.device
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        with machine.autocast(device):
            losses = self.model.training_loss(images, masks, self.criterion)
        self.scaler.scale(losses["loss"] / group).backward()
        return losses

    def _step(self) -> None:
        if self.phase.clip is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.phase.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def _validate(self, epoch: int, train_loss: float) -> dict[str, float]:
        """The figures of the held-out fold, and the score that ranks the epoch.

        On all data nothing is held out, and the training loss has to rank.
        """
        if self.job.fold == ALL_DATA:
            return {"score": -train_loss}
        job = self.job
        figures = validate(self.model, self.validation, self.criterion, job.recipe.rule, job.device)
        self._check_finite("validation", epoch, figures["loss"])
        select = job.recipe.select
        score = -figures["loss"] if select == "loss" else figures[select]
        if not math.isfinite(score):
            raise InputError(f"select = {select} cannot be computed on fold {job.fold}: {score}")
        return {f"valid_{name}": value for name, value in figures.items()} | {"score": score}

    def _check_finite(self, what: str, epoch: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise InputError(
                f"the {what} loss is {loss} in phase {self.index} epoch {epoch}; the last good "
                f"checkpoints stay in {self.job.draft.folder}; with --set and --name try a lower "
                f"lr ({self.phase.lr:g}) or a clip ({self.phase.clip})"
            )

    def _log(self, row: Row, train_seconds: float, valid_seconds: float) -> None:
        """Print the epoch's line; times and TensorBoard's events go to log/, outside the id."""
        recipe = self.job.recipe
        shown = [name for name in ("train_loss", "valid_loss", "valid_dice") if name in row]
        figures = "  ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in shown)
        print(
            f"{recipe.name} fold {self.job.fold}  phase {self.index + 1}/{len(recipe.phases)}  "
            f"epoch {row['epoch'] + 1}/{self.phase.epochs}  {figures}  "
            f"{train_seconds + valid_seconds:.1f} s",
            flush=True,
        )
        path = self.job.draft.path("log/times.csv")
        path.parent.mkdir(exist_ok=True)
        with path.open("a", newline="") as file:
            csv.writer(file).writerow(
                [row["phase"], row["epoch"], round(train_seconds, 3), round(valid_seconds, 3)]
            )
        with SummaryWriter(str(self.job.draft.path("log/tb"))) as writer:
            before = sum(phase.epochs for phase in recipe.phases[: self.index])
            for name, value in row.items():
                writer.add_scalar(name, value, before + int(row["epoch"]))
