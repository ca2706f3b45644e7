"""What a training leaves on disk at the end of each epoch, and how it goes on from there.

The history of epochs decides everything else: which checkpoints are the best, whether the phase is
over. state.pt is the commit: a weight file that its history does not name does not count.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lib import tables
from lib.artifacts import STATE, Draft
from lib.models import weights
from lib.recipes import Phase

Row = dict[str, float]  # a row of history.csv; phase and epoch are whole numbers


def weight_file(row: Row) -> str:
    """The file of an epoch's weights."""
    return f"weights/phase{int(row['phase'])}_epoch{int(row['epoch']):03d}.pt"


def best(rows: Sequence[Row], count: int) -> list[Row]:
    """The rows of the highest scores, the best first; the later one where scores are equal.

    A network that finds nothing yet scores the same epoch after epoch: the first is the worst then.
    """
    return sorted(rows, key=lambda row: (-row["score"], -row["epoch"]))[:count]


def is_over(phase: Phase, rows: Sequence[Row]) -> bool:
    """Whether a phase has had its epochs, or brings nothing better any more."""
    if len(rows) >= phase.epochs:
        return True
    if phase.early_stop is None or not rows:
        return False
    scores = [row["score"] for row in rows]
    return len(scores) - 1 - scores.index(max(scores)) >= phase.early_stop


def of_phase(history: Sequence[Row], phase: float) -> list[Row]:
    """The rows of one phase: scores of phases are never compared."""
    return [row for row in history if row["phase"] == phase]


def commit(draft: Draft, phase: Phase, state: dict[str, Any]) -> None:
    """Keep an epoch: its weights if they are among the best, then the state, then the table.

    Killed before state.pt is renamed, the epoch is done again; after, it is done.

    Args:
        draft: the run.
        phase: of the epoch.
        state: "model", "optimizer", "scaler" as state_dicts, and "history", the rows so far.
    """
    row = state["history"][-1]
    keep = [
        weight_file(kept) for kept in best(of_phase(state["history"], row["phase"]), phase.keep)
    ]
    if weight_file(row) in keep:
        weights.save(draft.path(weight_file(row)), state["model"])
    weights.save(draft.path(STATE), state)
    for path in draft.path("weights").glob("*.pt"):
        if f"weights/{path.name}" not in keep:
            path.unlink()
    tables.write(draft.path("history.csv"), pd.DataFrame(state["history"]))


def resume(draft: Draft) -> dict[str, Any] | None:
    """The state of the last epoch that was committed, or None at the start."""
    path = draft.path(STATE)
    return weights.load(path) if path.exists() else None
