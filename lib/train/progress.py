"""Progress of a training: a printed line per epoch, times, TensorBoard events, curves.png."""

import csv
import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch.utils.tensorboard import SummaryWriter

from lib.artifacts import Draft
from lib.files import write_aside
from lib.recipes import Recipe
from lib.train.checkpoints import Row, describe_row
from lib.train.sampling import images_in_epoch


def print_row(job_name: str, recipe: Recipe, row: Row, seconds: float, speed: str = "") -> None:
    """Print the line of an epoch or of an average.

    Args:
        job_name: of the training, runs/NAME/foldK.
        speed: from `describe_speed`, for an epoch.
    """
    candidates = ("train_loss", "valid_loss", "valid_dice", "valid_tuned_dice")
    names = [name for name in candidates if name in row]
    metrics = "  ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in names)
    epochs = f"/{recipe.phases[row['phase']].epochs}" if "epoch" in row else ""
    print(
        f"{job_name}  phase {row['phase'] + 1}/{len(recipe.phases)}  "
        f"{describe_row(row)}{epochs}  {metrics}  {seconds:.1f} s{speed}",
        flush=True,
    )


def describe_speed(
    recipe: Recipe, row: Row, positive: np.ndarray, train_seconds: float, seconds: float
) -> str:
    """Return the images/s of an epoch's training, and the time left if no phase stops early.

    An epoch is expected to take as long as this one, in proportion to the pixels it presents.

    Args:
        row: of the epoch.
        positive: (n,) bool, True for training images with a pneumothorax.
        train_seconds, seconds: of the epoch, without and with validation.
    """
    here = row["phase"], row["epoch"]
    n_images, pixels = {}, {}
    for index, phase in enumerate(recipe.phases):
        for epoch in range(phase.epochs):
            n_images[index, epoch] = images_in_epoch(phase, epoch, positive)
            pixels[index, epoch] = n_images[index, epoch] * (phase.crop or phase.size) ** 2
    left = sum(count for epoch, count in pixels.items() if epoch > here) / pixels[here]
    time_left = timedelta(seconds=round(left * seconds))
    return f"  {n_images[here] / train_seconds:.1f} images/s  {time_left} left"


def log_epoch(
    draft: Draft, recipe: Recipe, row: Row, train_seconds: float, valid_seconds: float
) -> None:
    """Write the times and TensorBoard events of an epoch to log/, outside the artifact's id."""
    path = draft.path("log/times.csv")
    path.parent.mkdir(exist_ok=True)
    times = round(train_seconds, 3), round(valid_seconds, 3)
    with path.open("a", newline="") as file:
        csv.writer(file).writerow([row["phase"], row["epoch"], *times])
    earlier_epochs = sum(phase.epochs for phase in recipe.phases[: row["phase"]])
    with SummaryWriter(str(draft.path("log/tb"))) as writer:
        for name, value in row.items():
            writer.add_scalar(name, value, earlier_epochs + row["epoch"])


def draw_curves(history: Sequence[Row], path: Path) -> None:
    """Draw losses, validation metrics and learning rate over epochs; a line separates phases.

    Args:
        history: one row per epoch.
        path: of the PNG; equal histories give equal bytes.
    """
    candidates = {
        "loss": ("train_loss", "valid_loss"),
        "validation": (
            "valid_dice", "valid_iou", "valid_tuned_dice", "valid_positive_dice", "valid_class_auc",
        ),
        "learning rate": ("lr",),
    }  # fmt: skip
    # A network without an image head has no AUC: it is nan.
    recorded = {
        name for row in history for name, value in row.items()
        if value is not None and not math.isnan(value)
    }  # fmt: skip
    panels = {
        title: [name for name in names if name in recorded]
        for title, names in candidates.items()
        if not recorded.isdisjoint(names)  # an all-data training has no validation
    }
    figure = Figure(figsize=(4 * len(panels), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = range(1, len(history) + 1)
    for axes, (title, names) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for name in names:
            values = [row.get(name) for row in history]
            label = name.removeprefix("valid_") if title == "validation" else name
            axes.plot(epochs, values, marker=".", label=label.replace("_", " "))
        if len(axes.lines) > 1:
            axes.legend(frameon=False, loc="best", fontsize="small")
        for before, row in enumerate(history[1:], start=1):
            if row["phase"] != history[before - 1]["phase"]:
                axes.axvline(before + 0.5, color="0.7", linewidth=1)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    with write_aside(path) as aside:
        figure.savefig(aside, format="png", dpi=110, metadata={"Software": None})
