"""The line of an epoch, with speed and time left; the curves of a training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.recipes import Phase
from lib.train.progress import describe_speed, draw_curves
from tests.tiny_runs import TINY

POSITIVE = np.array([True] * 4 + [False] * 16)
# 20 images of 32 px in each epoch; then 4 positives and 4 negatives of twice the side.
RECIPE = replace(
    TINY,
    phases=(
        Phase(size=32, epochs=3, batch=4, lr=1e-3),
        Phase(size=64, epochs=10, batch=4, lr=1e-3, positive_rate=0.5),
    ),
)


@pytest.mark.parametrize(
    ("phase", "epoch", "speed", "left"),
    [
        pytest.param(0, 0, "5.0 images/s", "0:01:30", id="2-epochs-alike-and-10-of-1.6-times"),
        pytest.param(0, 2, "5.0 images/s", "0:01:20", id="the-next-phase-is-counted"),
        pytest.param(1, 8, "2.0 images/s", "0:00:05", id="one-more"),
        pytest.param(1, 9, "2.0 images/s", "0:00:00", id="the-last"),
    ],
)
def test_the_time_left_is_in_proportion_to_pixels(
    phase: int, epoch: int, speed: str, left: str
) -> None:
    row = {"phase": phase, "epoch": epoch}
    line = describe_speed(RECIPE, row, POSITIVE, train_seconds=4, seconds=5)
    assert line == f"  {speed}  {left} left"


@pytest.mark.parametrize("drawn", ["train_loss", "valid_loss", "valid_dice", "valid_iou", "lr"])
def test_the_curves_show_every_figure(drawn: str, tmp_path: Path) -> None:
    row = dict.fromkeys(("train_loss", "valid_loss", "valid_dice", "valid_iou", "lr"), 0.5)
    history = [{"phase": 0, "epoch": epoch} | row for epoch in range(2)]
    draw_curves(history, tmp_path / "a.png")
    history[1] = history[1] | {drawn: 0.9}
    draw_curves(history, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_a_figure_without_a_value_has_no_curve(tmp_path: Path) -> None:
    row = dict.fromkeys(("train_loss", "valid_loss", "valid_dice", "lr"), 0.5)
    history = [{"phase": 0, "epoch": epoch} | row for epoch in range(2)]
    draw_curves(history, tmp_path / "a.png")
    draw_curves([row | {"valid_class_auc": float("nan")} for row in history], tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
