"""Checkpoints: the files that a training writes after each epoch, and how it resumes from them.

The record of epochs decides everything else: which weights are kept, and if the phase is over.
An epoch counts once state.pt is written: weight files that its record does not name are ignored.
The record has their hashes too, because torch reads a file with changed bits without an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from lib import csv_files, distributed
from lib.artifacts import STATE, Draft
from lib.errors import InputError
from lib.files import sha256
from lib.models import weights
from lib.recipes import Keep, Phase, Recipe

Row = dict[str, Any]  # of history.csv or averages.csv: phase and epoch are whole numbers
State = Mapping[str, Any]


@dataclass
class Record:
    """Epochs and averages of a training so far.

    Attributes:
        history: one row per epoch.
        averages: one row per phase whose epochs were averaged into one network.
        weights: the SHA-256 of each weight file that is kept; complete in the main process only,
            which writes the files.
        parameters: their number in the network.
    """

    history: list[Row] = field(default_factory=list)
    averages: list[Row] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict, compare=False)
    parameters: int = field(default=0, compare=False)

    @property
    def phase(self) -> int:
        """The phase of the last epoch; 0 at the start."""
        return self.history[-1]["phase"] if self.history else 0

    def epochs(self, phase: int) -> list[Row]:
        """Return the epochs of one phase: scores of phases are never compared."""
        return [row for row in self.history if row["phase"] == phase]

    def average(self, phase: int) -> Row | None:
        """Return the row of a phase's average, or None before it is computed."""
        return next((row for row in self.averages if row["phase"] == phase), None)


def weight_file(row: Row) -> str:
    """Return the file name of the weights of an epoch or of an average."""
    name = f"epoch{row['epoch']:03d}" if "epoch" in row else "average"
    return f"weights/phase{row['phase']}_{name}.pt"


def describe_row(row: Row) -> str:
    """Describe an epoch or an average for people, who count from 1."""
    if "epoch" in row:
        return f"epoch {row['epoch'] + 1}"
    return f"average of epochs {' '.join(str(int(epoch) + 1) for epoch in row['epochs'].split())}"


def epochs_to_keep(keep: Keep, rows: Sequence[Row]) -> list[Row]:
    """Return the epochs that a phase keeps so far, the best first or the latest first.

    The best have the highest scores; of equal scores the later one is better. A network that
    predicts no mask yet has the same score epoch after epoch; the first of these epochs is the
    worst.
    """
    latest_first = rows[::-1]
    if keep.strategy == "best":
        return sorted(latest_first, key=lambda row: -row["score"])[: keep.count]
    if keep.strategy == "epochs":
        return [row for row in latest_first if row["epoch"] in keep.epochs]
    return list(latest_first[: keep.count])


def kept_rows(recipe: Recipe, record: Record) -> list[Row]:
    """Return the rows whose weights the latest phase keeps; the next phase starts at the first."""
    average = record.average(record.phase)
    if average is not None:
        return [average]
    return epochs_to_keep(recipe.phases[record.phase].keep, record.epochs(record.phase))


def is_over(phase: Phase, rows: Sequence[Row]) -> bool:
    """Return True if a phase has had all its epochs, or its early stop is reached."""
    if len(rows) >= phase.epochs:
        return True
    if phase.early_stop is None or not rows:
        return False
    scores = [row["score"] for row in rows]
    return len(scores) - 1 - scores.index(max(scores)) >= phase.early_stop


def commit(draft: Draft, recipe: Recipe, record: Record, model: State, state: State) -> None:
    """Save the last epoch or average of the record.

    If the process is killed before state.pt is renamed, a resumed training does that epoch again.

    Args:
        draft: the run.
        recipe: of the run.
        record: all epochs and averages so far.
        model: the state_dict of the last one, saved if the phase keeps it.
        state: of the training, to resume from.
    """
    if distributed.is_main():
        last = record.average(record.phase) or record.history[-1]
        name, names = weight_file(last), {weight_file(row) for row in kept_rows(recipe, record)}
        if name in names:
            weights.save(draft.path(name), model)
            record.weights[name] = sha256(draft.path(name))
        for dropped in record.weights.keys() - names:
            del record.weights[dropped]
        weights.save(draft.path(STATE), {**state, "record": asdict(record)})
        prune(draft, recipe, record)
    distributed.barrier()


def prune(draft: Draft, recipe: Recipe, record: Record) -> None:
    """Remove weights that are no longer kept, and write the tables."""
    names = {weight_file(row) for row in kept_rows(recipe, record)}
    for path in draft.path("weights").glob("*.pt"):
        if f"weights/{path.name}" not in names:
            path.unlink()
    for name, rows in (("history", record.history), ("averages", record.averages)):
        if rows:
            csv_files.write(draft.path(f"{name}.csv"), pd.DataFrame(rows))


def check_weights(draft: Draft, record: Record) -> None:
    """Check the hashes of the kept weights: a resumed training cannot restore them.

    Raises:
        InputError: for the first weight file that is damaged or missing.
    """
    for name, digest in record.weights.items():
        path = draft.path(name)
        if not path.is_file() or sha256(path) != digest:
            raise InputError(
                f"{path} is damaged or missing; remove {draft.folder} and train the fold again"
            )


def resume(draft: Draft, recipe: Recipe) -> tuple[Record, dict[str, Any] | None]:
    """Return the record and the state of the last commit; an empty record and None at the start.

    Raises:
        InputError: if the state, or a weight file that it names, is damaged.
    """
    path = draft.path(STATE)
    if not path.exists():
        return Record(), None
    with path.open("rb"):  # a file without read permission is not damaged
        pass
    try:
        state = weights.load(path)
        record = Record(**state["record"])
    except (InputError, KeyError, TypeError):
        raise InputError(
            f"{path} is damaged, so the training cannot resume; remove {draft.folder} and train "
            "the fold again"
        ) from None
    if distributed.is_main():
        check_weights(draft, record)
        prune(draft, recipe, record)  # a kill right after the commit leaves too many
    return record, state
