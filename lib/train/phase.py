"""The training of one phase: its optimizer, loaders and losses around the network."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from lib import device as machine
from lib import distributed
from lib.errors import InputError
from lib.layout import ALL_DATA
from lib.models import SegmentationNetwork, weights
from lib.train.checkpoints import Row, chosen, describe_row, weight_file
from lib.train.dataloaders import (
    CachedImages,
    epoch_batches,
    loading,
    training_loader,
    validation_loader,
)
from lib.train.freezing import training_mode
from lib.train.job import Job, log_epoch, print_line
from lib.train.losses import WeightedLoss
from lib.train.optim import all_reduce_gradients, build_optimizer, learning_rate, set_rate
from lib.train.sampling import seed_of
from lib.train.validate import validate
from lib.train.weight_averaging import (
    MovingAverage,
    fresh_statistics,
    mean_weights,
    sync_bn_stats,
)

Losses = dict[str, torch.Tensor]


def batches_of_step(number: int, batches: int, accumulate: int) -> int:
    """How many batches share the optimizer step of batch `number` (from 0): the last may be few."""
    return min(accumulate, batches - number + number % accumulate)


class PhaseTraining:
    """A phase of a job, epoch by epoch, and the average of its epochs at the end."""

    def __init__(self, job: Job, model: SegmentationNetwork, index: int) -> None:
        self.job, self.model, self.index = job, model, index
        self.phase = job.recipe.phases[index]
        self.criterion = WeightedLoss(self.phase.loss)
        self.optimizer = build_optimizer(self.phase, model.parameters())
        # The method and not the network, so that a state_dict's names stay as they are.
        learn = model.training_loss
        self.learn = machine.compiled(learn) if job.compile else learn
        half = machine.precision(job.device) == torch.float16
        self.scaler = torch.amp.GradScaler(job.device.type, enabled=half)
        self.ema: MovingAverage | None = None
        cache, contrast = job.caches[self.phase.size], job.recipe.input.contrast
        source = CachedImages(cache, job.dataset, contrast)
        ids, held_out = job.dataset.training_ids(job.fold), job.dataset.validation_ids(job.fold)
        self.batches = epoch_batches(source, ids, job.recipe, index)
        how = loading(job.workers, job.device)
        self.training = training_loader(source, ids, job.recipe, index, self.batches, how)
        self.validation = validation_loader(source, held_out, self.phase.batch, how)

    @property
    def result(self) -> SegmentationNetwork:
        """The network that is validated and kept."""
        return self.ema.model if self.ema else self.model

    def states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is to be kept of the network, and what training needs to go on from here."""
        return self.result.state_dict(), {
            "model": self.model.state_dict(),
            "ema": self.ema.model.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty where it was trained in another precision
            self.scaler.load_state_dict(state["scaler"])
        if state["ema"] is not None:
            self._start_ema()
            self.result.load_state_dict(state["ema"])

    def epoch(self, epoch: int, scores: Sequence[float]) -> Row:
        """Train and validate an epoch; the row of it, with the learning rate at its start."""
        started = time.perf_counter()
        if self.phase.ema and self.ema is None and epoch >= self.phase.ema.start:
            self._start_ema()
        row: Row = {"phase": self.index, "epoch": epoch}
        row["lr"] = learning_rate(self.phase, epoch, scores)
        row |= {f"train_{name}": value for name, value in self._train(epoch, scores).items()}
        trained = time.perf_counter()
        figures = self._validate(self.result, f"epoch {epoch}")
        row |= figures | {"score": self._score(figures, row["train_loss"])}
        ended = time.perf_counter()
        print_line(self.job, f"epoch {epoch + 1}/{self.phase.epochs}", row, ended - started)
        if distributed.is_main():
            log_epoch(self.job, row, trained - started, ended - trained)
        return row

    def average(self, rows: Sequence[Row]) -> Row:
        """Make the network the mean of the epochs that the phase keeps, and validate it.

        Statistics are those of the images of the last epoch, drawn and augmented as they were.

        Args:
            rows: all epochs of the phase; their weight files are there.

        Returns:
            phase, epochs (from 0, in the order of their shares), and the validation figures.
        """
        started = time.perf_counter()
        keep, last = self.phase.keep, rows[-1]["epoch"]
        rows = chosen(keep, rows)
        self.ema = None
        states = [weights.load(self.job.draft.path(weight_file(row))) for row in rows]
        self.model.load_state_dict(mean_weights(states, keep.weights))
        with training_mode(self.model, self.phase, last), fresh_statistics(self.model):
            for images, masks in self._shown(last):
                with torch.no_grad():
                    self._losses(self.model.training_loss, images, masks)
        sync_bn_stats(self.model)
        row: Row = {"phase": self.index, "epochs": " ".join(str(row["epoch"]) for row in rows)}
        row |= self._validate(self.model, "average")
        print_line(self.job, describe_row(row), row, time.perf_counter() - started)
        return row

    def _start_ema(self) -> None:
        assert self.phase.ema is not None
        self.ema = MovingAverage(self.model, self.phase.ema.decay)

    def _shown(self, epoch: int) -> tqdm:
        """The batches of an epoch behind a bar; all draws of it are seeded."""
        self.batches.epoch = epoch
        torch.manual_seed(seed_of(self.job.recipe.seed, self.index, epoch) + distributed.rank())
        return tqdm(
            self.training,
            leave=False,
            disable=distributed.progress_disabled(),
            desc=f"epoch {epoch}",
        )

    def _train(self, epoch: int, scores: Sequence[float]) -> dict[str, float]:
        """One pass over the epoch's images; the mean of each loss over batches.

        The losses of a batch, and their gradients, are means over its images: the sum of what the
        processes find, each weighted by its share of the batch.
        """
        sums: Losses = {}
        with training_mode(self.model, self.phase, epoch):
            shown = self._shown(epoch)
            batches, together = len(shown), self.phase.accumulate
            shares = self.batches.shard_fractions()
            for number, ((images, masks), share) in enumerate(zip(shown, shares, strict=True)):
                found = self._losses(self.learn, images, masks)
                losses = {name: value * share for name, value in found.items()}
                mean = losses["loss"] / batches_of_step(number, batches, together)
                self.scaler.scale(mean).backward()
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0) + value.detach()
                if number + 1 == batches or (number + 1) % together == 0:
                    self._step(learning_rate(self.phase, epoch + number / batches, scores))
        sync_bn_stats(self.model)
        if self.ema:
            sync_bn_stats(self.ema.model)
        distributed.all_reduce(list(sums.values()))
        means = {name: float(value) / batches for name, value in sums.items()}
        self._check_finite("training", means["loss"], f"epoch {epoch}")
        return means

    def _losses(
        self, learn: Callable[..., Losses], images: torch.Tensor, masks: torch.Tensor
    ) -> Losses:
        """The losses of a batch, wherever it lies."""
        device = self.job.device
        images, masks = images.to(device, non_blocking=True), masks.to(device, non_blocking=True)
        with machine.autocast(device):
            return learn(images, masks, self.criterion)

    def _step(self, rate: float) -> None:
        set_rate(self.optimizer, rate)
        all_reduce_gradients(self.model.parameters())
        if self.phase.clip is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.phase.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema:
            self.ema.update()

    def _validate(self, model: SegmentationNetwork, when: str) -> dict[str, float]:
        """The figures of the held-out fold; on all data nothing is held out, and there are none."""
        recipe = self.job.recipe
        if self.job.fold == ALL_DATA:
            return {}
        rule = recipe.select_rule or recipe.rule
        figures = validate(model, self.validation, self.criterion, rule, self.job.device)
        self._check_finite("validation", figures["loss"], when)
        return {f"valid_{name}": value for name, value in figures.items()}

    def _score(self, figures: Mapping[str, float], train_loss: float) -> float:
        """What ranks the epoch; on all data the training loss has to."""
        if self.job.fold == ALL_DATA:
            return -train_loss
        select = self.job.recipe.select
        figure = figures[f"valid_{select}"]
        if not math.isfinite(figure):
            raise InputError(
                f"select = {select} cannot be computed on fold {self.job.fold}: {figure}"
            )
        return -figure if select == "loss" else figure

    def _check_finite(self, what: str, loss: float, when: str) -> None:
        if not math.isfinite(loss):
            raise InputError(
                f"the {what} loss is {loss} in phase {self.index} {when}; the last good "
                f"checkpoints stay in {self.job.draft.folder}; with --set and --name try a lower "
                f"lr ({self.phase.lr:g}) or a clip ({self.phase.clip})"
            )
