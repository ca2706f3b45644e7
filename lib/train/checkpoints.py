"""What a training leaves on disk at the end of each epoch, and how it goes on from there.

The record of epochs decides everything else: which weights are kept, whether the phase is over.
state.pt is the commit: a weight file that its record does not name does not count. It has their
hashes too: torch reads one in which bits have changed without a word.
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


@dataclass
class Record:
    """What a training has done so far.

    Attributes:
        history: a row an epoch.
        averages: a row a phase whose epochs were made into one network.
        weights: the SHA-256 of each weight file that is kept; of several processes, only the first
            one, which writes them, knows all.
    """

    history: list[Row] = field(default_factory=list)
    averages: list[Row] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def phase(self) -> int:
        """The last phase that has an epoch; the first one at the start."""
        return self.history[-1]["phase"] if self.history else 0

    def epochs(self, phase: int) -> list[Row]:
        """The epochs of one phase: scores of phases are never compared."""
        return [row for row in self.history if row["phase"] == phase]

    def average(self, phase: int) -> Row | None:
        """The average of a phase, once it is made."""
        return next((row for row in self.averages if row["phase"] == phase), None)


def weight_file(row: Row) -> str:
    """The file of an epoch's weights, or of an average's."""
    name = f"epoch{row['epoch']:03d}" if "epoch" in row else "average"
    return f"weights/phase{row['phase']}_{name}.pt"


def describe_row(row: Row) -> str:
    """An epoch or an average as people count."""
    if "epoch" in row:
        return f"epoch {row['epoch'] + 1}"
    return f"average of epochs {' '.join(str(int(epoch) + 1) for epoch in row['epochs'].split())}"


def best(rows: Sequence[Row], count: int) -> list[Row]:
    """The rows of the highest scores, the best first; the later one where scores are equal.

    A network that finds nothing yet scores the same epoch after epoch: the first is the worst then.
    """
    return sorted(rows, key=lambda row: (-row["score"], -row["epoch"]))[:count]


def chosen(keep: Keep, rows: Sequence[Row]) -> list[Row]:
    """The epochs that a phase keeps of those it has had: the best first, or the latest first."""
    return best(rows, keep.count) if keep.strategy == "best" else list(rows[-keep.count :][::-1])


def kept(recipe: Recipe, record: Record) -> list[Row]:
    """What the last phase leaves behind so far; the next phase starts from the first."""
    average = record.average(record.phase)
    if average is not None:
        return [average]
    return chosen(recipe.phases[record.phase].keep, record.epochs(record.phase))


def is_over(phase: Phase, rows: Sequence[Row]) -> bool:
    """Whether a phase has had its epochs, or brings nothing better any more."""
    if len(rows) >= phase.epochs:
        return True
    if phase.early_stop is None or not rows:
        return False
    scores = [row["score"] for row in rows]
    return len(scores) - 1 - scores.index(max(scores)) >= phase.early_stop


def commit(
    draft: Draft,
    recipe: Recipe,
    record: Record,
    model: Mapping[str, Any],
    state: Mapping[str, Any],
) -> None:
    """Keep what was done last, an epoch or an average.

    Killed before state.pt is renamed, it is done again; after, it is done.

    Args:
        draft: the run.
        recipe: of the run.
        record: what is done so far.
        model: the state_dict to keep, if the epoch is among those to keep.
        state: what training needs to go on from here.
    """
    if distributed.is_main():
        last = record.average(record.phase) or record.history[-1]
        name, names = weight_file(last), {weight_file(row) for row in kept(recipe, record)}
        if name in names:
            weights.save(draft.path(name), model)
            record.weights[name] = sha256(draft.path(name))
        for gone in record.weights.keys() - names:
            del record.weights[gone]
        weights.save(draft.path(STATE), {**state, "record": asdict(record)})
        prune(draft, recipe, record)
    distributed.barrier()


def prune(draft: Draft, recipe: Recipe, record: Record) -> None:
    """Remove weights that no longer count, and write the tables."""
    names = {weight_file(row) for row in kept(recipe, record)}
    for path in draft.path("weights").glob("*.pt"):
        if f"weights/{path.name}" not in names:
            path.unlink()
    for name, rows in (("history", record.history), ("averages", record.averages)):
        if rows:
            csv_files.write(draft.path(f"{name}.csv"), pd.DataFrame(rows))


def check_weights(draft: Draft, record: Record) -> None:
    """Refuse weights that are not as they were kept: no training can make them again.

    Raises:
        InputError: naming the first such file.
    """
    for name, digest in record.weights.items():
        path = draft.path(name)
        if not path.is_file() or sha256(path) != digest:
            raise InputError(
                f"{path} is damaged or gone; train the fold again with {draft.location.command} "
                "--replace"
            )


def resume(draft: Draft, recipe: Recipe) -> tuple[Record, dict[str, Any] | None]:
    """The record and the state of the last commit; an empty one and None at the start.

    Raises:
        InputError: if the state, or a weight file that it names, is damaged.
    """
    path = draft.path(STATE)
    if not path.exists():
        return Record(), None
    with path.open("rb"):  # what may not be read is not damaged
        pass
    try:
        state = weights.load(path)
        record = Record(**state["record"])
    except (InputError, KeyError, TypeError):
        raise InputError(
            f"{path} is damaged, so the training cannot go on from it; train the fold again with "
            f"{draft.location.command} --replace"
        ) from None
    if distributed.is_main():
        check_weights(draft, record)
        prune(draft, recipe, record)  # the kill may have come right after the commit
    return record, state
