"""Training of one phase: its optimizer, data loaders and losses around the network."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from lib import device as machine
from lib import distributed
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.errors import InputError
from lib.layout import ALL_DATA, Fold
from lib.models import SegmentationNetwork, weights
from lib.recipes import Recipe
from lib.train.checkpoints import Row, epochs_to_keep, weight_file
from lib.train.dataloaders import (
    CachedImages,
    loader_options,
    training_loader,
    validation_loader,
)
from lib.train.freezing import training_mode
from lib.train.losses import WeightedLoss
from lib.train.optim import all_reduce_gradients, build_optimizer, learning_rate
from lib.train.progress import describe_speed, log_epoch, print_row
from lib.train.sampling import seed_of
from lib.train.validate import validate
from lib.train.weight_averaging import MovingAverage, fresh_statistics, mean_weights, sync_bn_stats

Losses = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TrainingJob:
    """One fold to train: the recipe, the data, the machine, and the folder for the results.

    Attributes:
        caches: by size in pixels.
        encoder_weights: imagenet, none, or a file.
        workers: processes that load images; None: `dataloaders.default_workers`.
    """

    draft: Draft
    recipe: Recipe
    fold: Fold
    dataset: Dataset
    caches: Mapping[int, Artifact]
    encoder_weights: str
    device: torch.device
    workers: int | None = None
    compile: bool = False


def batches_of_step(number: int, batches: int, accumulate: int) -> int:
    """Return how many batches share the optimizer step of batch `number` (from 0).

    The last step of an epoch may have fewer than `accumulate`.
    """
    return min(accumulate, batches - number + number % accumulate)


class PhaseTraining:
    """A phase of a job, epoch by epoch, and the average of its epochs at the end."""

    def __init__(self, job: TrainingJob, model: SegmentationNetwork, index: int) -> None:
        self.job, self.model, self.index = job, model, index
        self.phase = job.recipe.phases[index]
        self.criterion = WeightedLoss(self.phase.loss)
        self.optimizer = build_optimizer(self.phase, model.parameters(), model.decoder)
        # Compile the method, not the network: the names in its state_dict stay as they are.
        loss = model.training_loss
        self.training_loss = machine.compiled(loss) if job.compile else loss
        half = machine.precision(job.device) == torch.float16
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=half)
        self.ema: MovingAverage | None = None
        source = CachedImages(job.caches[self.phase.size], job.dataset, job.recipe.input.contrast)
        options = loader_options(job.workers, job.device)
        ids, held_out = job.dataset.training_ids(job.fold), job.dataset.validation_ids(job.fold)
        self.train_loader, self.batches = training_loader(source, ids, job.recipe, index, options)
        self.valid_loader = validation_loader(source, held_out, self.phase.batch, options)

    @property
    def evaluated_model(self) -> SegmentationNetwork:
        """The network that is validated and kept: the moving average, if there is one."""
        return self.ema.model if self.ema else self.model

    def states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the weights to keep, and the state from which the training can go on."""
        return self.evaluated_model.state_dict(), {
            "model": self.model.state_dict(),
            "ema": self.ema.model.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of an interrupted training."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty after training in another precision
            self.scaler.load_state_dict(state["scaler"])
        if state["ema"] is not None:
            self._start_ema()
            self.evaluated_model.load_state_dict(state["ema"])

    def epoch(self, epoch: int, scores: Sequence[float]) -> Row:
        """Train and validate an epoch; return its row, with the learning rate at its start.

        Args:
            epoch: from 0, within the phase.
            scores: of the epochs before.
        """
        start = time.perf_counter()
        if self.phase.ema and self.ema is None and epoch >= self.phase.ema.start:
            self._start_ema()
        row: Row = {"phase": self.index, "epoch": epoch}
        row["lr"] = learning_rate(self.phase, epoch, scores)
        row |= {f"train_{name}": value for name, value in self.train_batches(epoch, scores).items()}
        train_end = time.perf_counter()
        metrics = self._validate(self.evaluated_model, f"epoch {epoch + 1}")
        row |= metrics | {"score": self._score(metrics, row["train_loss"])}
        end = time.perf_counter()
        if distributed.is_main():
            recipe, positive = self.job.recipe, self.batches.positive
            speed = describe_speed(recipe, row, positive, train_end - start, end - start)
            print_row(self.job.draft.location.name, recipe, row, end - start, speed)
            log_epoch(self.job.draft, self.job.recipe, row, train_end - start, end - train_end)
        return row

    def average(self, rows: Sequence[Row]) -> Row:
        """Make the network the mean of the epochs that the phase keeps, and validate it.

        Its batch-norm statistics come from the images of the last epoch, drawn and augmented as
        they were.

        Args:
            rows: all epochs of the phase, whose weight files still exist.

        Returns:
            phase, epochs (from 0, in the order of their weights), and the validation metrics.
        """
        start = time.perf_counter()
        keep, last_epoch = self.phase.keep, rows[-1]["epoch"]
        rows = epochs_to_keep(keep, rows)
        self.ema = None
        states = [weights.load(self.job.draft.path(weight_file(row))) for row in rows]
        self.model.load_state_dict(mean_weights(states, keep.weights))
        with training_mode(self.model, self.phase, last_epoch), fresh_statistics(self.model):
            for images, masks in self._epoch_loader(last_epoch):
                with torch.no_grad():
                    self._losses(self.model.training_loss, images, masks)
        sync_bn_stats(self.model)
        row: Row = {"phase": self.index, "epochs": " ".join(str(row["epoch"]) for row in rows)}
        row |= self._validate(self.model, "average")
        seconds = time.perf_counter() - start
        print_row(self.job.draft.location.name, self.job.recipe, row, seconds)
        return row

    def _start_ema(self) -> None:
        assert self.phase.ema is not None
        self.ema = MovingAverage(self.model, self.phase.ema.decay)

    def _epoch_loader(self, epoch: int) -> tqdm:
        """Seed all draws of an epoch; return its batches behind a progress bar."""
        self.batches.epoch = epoch
        torch.manual_seed(seed_of(self.job.recipe.seed, self.index, epoch) + distributed.rank())
        hidden = distributed.progress_disabled()
        return tqdm(self.train_loader, leave=False, disable=hidden, desc=f"epoch {epoch + 1}")

    def train_batches(self, epoch: int, scores: Sequence[float]) -> dict[str, float]:
        """Train on the images of an epoch; return the mean of each loss over batches.

        With several processes, losses and gradients of a batch are the sum over processes, each
        weighted by its fraction of the batch. For losses that are means over images this is the
        loss of the whole batch; batch_dice and positive_dice are computed within each process.
        """
        sums: Losses = {}
        with training_mode(self.model, self.phase, epoch):
            loader = self._epoch_loader(epoch)
            batches, accumulate = len(loader), self.phase.accumulate
            fractions = self.batches.shard_fractions()
            shards = zip(loader, fractions, strict=True)
            for number, ((images, masks), fraction) in enumerate(shards):
                losses = self._losses(self.training_loss, images, masks)
                losses = {name: value * fraction for name, value in losses.items()}
                loss = losses["loss"] / batches_of_step(number, batches, accumulate)
                self.scaler.scale(loss).backward()
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0) + value.detach()
                if number + 1 == batches or (number + 1) % accumulate == 0:
                    self._step(learning_rate(self.phase, epoch + number / batches, scores))
        sync_bn_stats(self.model)
        if self.ema:
            sync_bn_stats(self.ema.model)
        distributed.all_reduce(list(sums.values()))
        means = {name: float(value) / batches for name, value in sums.items()}
        self._check_finite("training", means["loss"], f"epoch {epoch + 1}")
        return means

    def _losses(
        self, training_loss: Callable[..., Losses], images: torch.Tensor, masks: torch.Tensor
    ) -> Losses:
        """Move a batch to the device and return its losses."""
        device = self.job.device
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        with machine.autocast(device):
            return training_loss(images, masks, self.criterion)

    def _step(self, rate: float) -> None:
        """Update the weights by the accumulated gradients, at a learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        all_reduce_gradients(self.model.parameters())
        if self.phase.clip is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.phase.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update()

    def _validate(self, model: SegmentationNetwork, stage: str) -> dict[str, float]:
        """Return the metrics of the held-out fold; none for all-data, which has none."""
        recipe = self.job.recipe
        if self.job.fold == ALL_DATA:
            return {}
        rule = (recipe.select_rule or recipe.rule).in_frame(self.job.dataset.rle_size)
        tune = recipe.select == "tuned_dice"
        metrics = validate(model, self.valid_loader, self.criterion, rule, self.job.device, tune)
        self._check_finite("validation", metrics["loss"], stage)
        return {f"valid_{name}": value for name, value in metrics.items()}

    def _score(self, metrics: Mapping[str, float], train_loss: float) -> float:
        """Return what ranks the epoch, higher is better; for all-data from the training loss."""
        if self.job.fold == ALL_DATA:
            return -train_loss
        select = self.job.recipe.select
        value = metrics[f"valid_{select}"]
        if not math.isfinite(value):
            raise InputError(f"select = {select} has no value on fold {self.job.fold}: {value}")
        return -value if select == "loss" else value

    def _check_finite(self, kind: str, loss: float, stage: str) -> None:
        if not math.isfinite(loss):
            raise InputError(
                f"the {kind} loss is {loss} in phase {self.index + 1}, {stage}; the last good "
                f"checkpoints stay in {self.job.draft.folder}; with --set and --name try a lower "
                f"lr ({self.phase.lr:g}) or a clip ({self.phase.clip})"
            )
