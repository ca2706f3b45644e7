"""The training of one fold, phase after phase."""

from collections.abc import Mapping
from typing import Any

import torch
from timm.layers import convert_sync_batchnorm

from lib import device as machine
from lib import distributed
from lib.errors import InputError
from lib.layout import ALL_DATA
from lib.models import SegmentationNetwork, build_model, weights
from lib.train import checkpoints
from lib.train.checkpoints import Record
from lib.train.curves import draw_curves
from lib.train.freezing import check_freezable
from lib.train.job import Job
from lib.train.phase import PhaseTraining

__all__ = ["Job", "summary", "train_fold"]


def train_fold(job: Job) -> Record:
    """Train a recipe on all folds but one, from where an interrupted training stopped.

    The draft receives weights/, history.csv, averages.csv if epochs are averaged, and curves.png,
    and outside of what counts log/.

    Returns:
        A row an epoch: phase, epoch, lr, training losses, validation figures, score; and a row an
        average: phase, epochs, validation figures.

    Raises:
        InputError: if pretrained weights cannot be had, there is nothing to freeze, a loss is
            not finite, or what an interrupted training left is damaged.
    """
    norms_shared = (
        distributed.world_size() > 1 and job.device.type == "cuda"
    )  # torch has none for CPUs
    if norms_shared and job.compile:
        raise InputError(
            "--compile cannot make graphs of norms that several GPUs share: leave it out, or "
            "train a fold on each GPU, without torchrun"
        )
    model = build_model(job.recipe)
    check_freezable(model, job.recipe)
    record, state = checkpoints.resume(job.draft, job.recipe)
    if state is None:
        print(_start(job, model))
    model.to(job.device).to(memory_format=torch.channels_last)
    if norms_shared:
        model = convert_sync_batchnorm(model)  # timm's, which keeps its norms' activations
    first = record.phase
    for index, phase in enumerate(job.recipe.phases[first:], first):
        with machine.friendly_errors(
            f"in a run of its own (--set and --name), try another phases.{index}.batch "
            f"({phase.batch}; accumulate makes up for less) or phases.{index}.size ({phase.size}); "
            f"epochs that are done stay in {job.draft.folder}"
        ):
            _train_phase(job, model, index, record, state if index == first else None)
    if distributed.is_main():
        draw_curves(record.history, job.draft.path("curves.png"))
        checkpoints.check_weights(job.draft, record)
    distributed.barrier()
    return record


def summary(job: Job, record: Record) -> str:
    """The one line that matters of a training: the figure of what it keeps first."""
    kept = checkpoints.kept(job.recipe, record)[0]
    name = "train_loss" if job.fold == ALL_DATA else f"valid_{job.recipe.select}"
    figure = f"{name.replace('_', ' ')} {kept[name]:.4f} in " if name in kept else ""
    return f"fold {job.fold}: {figure}{checkpoints.describe_row(kept)}"


def _start(job: Job, model: SegmentationNetwork) -> str:
    """Give all processes the first one's encoder, which one of them fetches; what was done."""

    def fetch() -> tuple[str, dict[str, torch.Tensor]]:
        said = weights.init_encoder(model, job.recipe, job.encoder_weights)
        return said, model.state_dict()

    said, state = distributed.run_on_main(fetch)
    model.load_state_dict(state)
    return said


def _train_phase(
    job: Job,
    model: SegmentationNetwork,
    index: int,
    record: Record,
    state: Mapping[str, Any] | None,
) -> None:
    """Train a phase, adding a row an epoch to the record, and the average of those it keeps."""
    phase = job.recipe.phases[index]
    if state is None and index > 0:
        before = checkpoints.kept(job.recipe, record)[0]
        weights.load_model(model, job.draft.path(checkpoints.weight_file(before)))
    training = PhaseTraining(job, model, index)
    if state is not None:
        training.restore(state)
    while not checkpoints.is_over(phase, rows := record.epochs(index)):
        record.history.append(training.epoch(len(rows), [row["score"] for row in rows]))
        checkpoints.commit(job.draft, job.recipe, record, *training.states())
    if phase.keep.merges and record.average(index) is None:
        record.averages.append(training.average(rows))
        checkpoints.commit(job.draft, job.recipe, record, *training.states())
