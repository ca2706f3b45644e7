"""curves.png: how a training went."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.files import write_aside
from lib.train.checkpoints import Row


def draw_curves(history: Sequence[Row], path: Path) -> None:
    """Draw losses, validation figures and the learning rate over epochs, a line where phases meet.

    Args:
        history: a row an epoch.
        path: of the PNG; equal histories are equal bytes.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = {
        "loss": ("train_loss", "valid_loss"),
        "validation": ("valid_dice", "valid_positive_dice", "valid_class_auc"),
        "learning rate": ("lr",),
    }
    epochs = range(1, len(history) + 1)
    for axes, (title, names) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name in names:
            if any(row.get(name) is not None for row in history):
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
