"""Costs of a run, which Niu names beside the accuracy: parameters, time and memory.

They are in the manifests, outside the artifacts' ids, and in the logs. Artifacts made by older
versions lack some; what one fold lacks is None.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib.artifacts import Artifact
from lib.leaderboard.markdown import Value
from lib.leaderboard.runs import Run

TIMES = "log/times.csv"  # rows of phase, epoch, seconds of training, seconds of validation


def parameters(run: Run) -> int | None:
    return _maximum(run.trainings, "parameters")


def training_device(run: Run) -> str | None:
    return _devices(run.trainings)


def epoch_seconds(run: Run) -> float | None:
    """Return the mean over the epochs of all folds and phases, without validation."""
    logs = (training.location.folder / TIMES for training in run.trainings)
    seconds = [value for path in logs if path.is_file() for value in _read_seconds(path)]
    return sum(seconds) / len(seconds) if seconds else None


def training_mb(run: Run) -> int | None:
    return _maximum(run.trainings, "peak_memory_mb")


def inference_device(run: Run) -> str | None:
    return _devices(run.inferences)


def image_ms(run: Run) -> float | None:
    """Return the duration of stage 03 by its images, over all folds."""
    seconds, images = (_recorded(run.inferences, key) for key in ("seconds", "images"))
    return 1000 * sum(seconds) / sum(images) if sum(images) else None


def inference_mb(run: Run) -> int | None:
    return _maximum(run.inferences, "peak_memory_mb")


COSTS: Mapping[str, Callable[[Run], Value]] = {
    "parameters": parameters,
    "trained on": training_device,
    "s an epoch": epoch_seconds,
    "MB to train": training_mb,
    "inferred on": inference_device,
    "ms an image": image_ms,
    "MB to infer": inference_mb,
}


def _recorded(artifacts: Sequence[Artifact], key: str) -> list[Any]:
    """Return what the manifests record under a key; nothing if one of them does not."""
    values = [artifact.manifest["made"].get(key) for artifact in artifacts]
    return [] if None in values else values


def _maximum(artifacts: Sequence[Artifact], key: str) -> int | None:
    return max(_recorded(artifacts, key), default=None)


def _devices(artifacts: Sequence[Artifact]) -> str | None:
    """Return the devices of all folds, with the number of processes that shared one fold."""
    pairs = {*zip(_recorded(artifacts, "distributed"), _recorded(artifacts, "device"), strict=True)}
    names = [f"{count} x {name}" if count > 1 else name for count, name in sorted(pairs)]
    return ", ".join(names) or None


def _read_seconds(path: Path) -> Iterator[float]:
    """Yield the seconds of training of each epoch, up to a damaged line."""
    with suppress(ValueError, IndexError), path.open(newline="") as file:
        for row in csv.reader(file):
            yield float(row[2])
