"""Training of one fold, phase after phase."""

from collections.abc import Mapping
from typing import Any

import torch
from timm.layers import convert_sync_batchnorm

from lib import device as machine
from lib import disk, distributed
from lib.errors import InputError
from lib.layout import ALL_DATA
from lib.models import SegmentationNetwork, build_model, weights
from lib.recipes import Recipe
from lib.train import checkpoints
from lib.train.checkpoints import Record
from lib.train.freezing import check_parts
from lib.train.phase import PhaseTraining, TrainingJob
from lib.train.progress import draw_curves

__all__ = ["TrainingJob", "summary", "train_and_publish", "train_fold"]


def train_fold(job: TrainingJob) -> Record:
    """Train a recipe on all folds but one (or on all data); resume an interrupted training.

    The draft receives weights/, history.csv, averages.csv if epochs are averaged, curves.png,
    and log/, which is not part of the artifact's id.

    Returns:
        One row per epoch: phase, epoch, lr, training losses, validation metrics, score; one row
        per average: phase, epochs, validation metrics; and the number of parameters.

    Raises:
        InputError: if pretrained weights are not available, there is no encoder to freeze, a loss
            is not finite, or the files of an interrupted training are damaged.
    """
    # torch synchronises batch norms on GPUs only.
    sync_norms = distributed.world_size() > 1 and job.device.type == "cuda"
    if sync_norms and job.compile:
        raise InputError(
            "--compile does not work with batch norms that several GPUs share: leave it out, or "
            "train each fold on a GPU of its own, without torchrun"
        )
    model = build_model(job.recipe)
    check_parts(model, job.recipe)
    record, state = checkpoints.resume(job.draft, job.recipe)
    record.parameters = sum(parameter.numel() for parameter in model.parameters())
    if state is None:
        print(_init_encoder(job, model))
        if distributed.is_main():
            disk.report_need(job.draft.folder, _disk_need(job.recipe, model))
    model.to(job.device).to(memory_format=torch.channels_last)
    machine.choose_layer_precision(model, job.device)
    if sync_norms:
        model = convert_sync_batchnorm(model)  # timm's keeps the activation inside a norm
    first = record.phase
    for index, phase in enumerate(job.recipe.phases[first:], first):
        with machine.friendly_errors(
            f"in a run of its own (--set and --name), try another phases.{index}.batch "
            f"({phase.batch}; accumulate makes up for less) or phases.{index}.size ({phase.size}); "
            f"finished epochs stay in {job.draft.folder}"
        ):
            _train_phase(job, model, index, record, state if index == first else None)
    if distributed.is_main():
        draw_curves(record.history, job.draft.path("curves.png"))
        checkpoints.check_weights(job.draft, record)
    distributed.barrier()
    return record


def train_and_publish(job: TrainingJob) -> None:
    """Train a fold, finish its artifact, and print a line about it; errors as `train_fold`."""
    record = train_fold(job)
    made = {"compiled": job.compile, "parameters": record.parameters}
    distributed.finish_artifact(job.draft, job.device, **made)
    print(f"{summary(job, record)} -> {job.draft.location.folder}")


def summary(job: TrainingJob, record: Record) -> str:
    """Return the line that sums up a training: the metric of the first checkpoint it keeps."""
    row = checkpoints.kept_rows(job.recipe, record)[0]
    name = "train_loss" if job.fold == ALL_DATA else f"valid_{job.recipe.select}"
    metric = f"{name.replace('_', ' ')} {row[name]:.4f} in " if name in row else ""
    return f"fold {job.fold}: {metric}{checkpoints.describe_row(row)}"


def _disk_need(recipe: Recipe, model: SegmentationNetwork) -> int:
    """Return the most bytes that a training has on disk, tables and logs apart.

    These are the checkpoints that a phase keeps and a new one; the state of the training with
    weights, their moving average and two moments of an optimizer; and the next state beside it.
    """
    n_kept = max(phase.keep.count for phase in recipe.phases)
    n_bytes = sum(tensor.nbytes for tensor in model.state_dict().values())
    return (n_kept + 1 + 2 * 4) * n_bytes


def _init_encoder(job: TrainingJob, model: SegmentationNetwork) -> str:
    """Give the model of every process the same pretrained encoder; return a line about it.

    The main process alone reads or downloads the weights.
    """

    def load() -> tuple[str, dict[str, torch.Tensor]]:
        message = weights.init_encoder(model, job.recipe, job.encoder_weights)
        return message, model.state_dict()

    message, state = distributed.run_on_main(load)
    model.load_state_dict(state)
    return message


def _train_phase(
    job: TrainingJob,
    model: SegmentationNetwork,
    index: int,
    record: Record,
    state: Mapping[str, Any] | None,
) -> None:
    """Train a phase: add a row per epoch to the record, and the row of its average."""
    phase = job.recipe.phases[index]
    if state is None and index > 0:
        first_kept = checkpoints.kept_rows(job.recipe, record)[0]  # of the phase before
        weights.load_model(model, job.draft.path(checkpoints.weight_file(first_kept)))
    training = PhaseTraining(job, model, index)
    if state is not None:
        training.restore(state)
    while not checkpoints.is_over(phase, rows := record.epochs(index)):
        record.history.append(training.epoch(len(rows), [row["score"] for row in rows]))
        checkpoints.commit(job.draft, job.recipe, record, *training.states())
    if phase.keep.merges and record.average(index) is None:
        record.averages.append(training.average(rows))
        checkpoints.commit(job.draft, job.recipe, record, *training.states())
