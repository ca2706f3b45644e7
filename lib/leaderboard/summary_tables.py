"""Tables of every run and of every decision."""

import json
from collections.abc import Iterator

from lib import artifacts, layout
from lib.artifacts import Artifact
from lib.decision import deciders
from lib.errors import InputError
from lib.layout import Work
from lib.leaderboard.board import Board
from lib.leaderboard.evaluate import RunMetrics
from lib.leaderboard.markdown import NONE, below, between, in_short, number, table

DECISION = "decision.json"
FIGURES = {
    "positive Dice": RunMetrics.positive_dice,
    "balanced Dice": RunMetrics.balanced_dice,
    "IoU": RunMetrics.iou,
    "precision": RunMetrics.precision,
    "recall": RunMetrics.recall,
    "sensitivity": RunMetrics.sensitivity,
    "specificity": RunMetrics.specificity,
    "AUC": RunMetrics.auc,
    "loss": RunMetrics.loss,
}
RUNS = ("run", "recipe", "folds", "images", "Dice (95 %)", "all empty",
        "more than all empty (95 %)", *FIGURES)  # fmt: skip
ABOUT_RUNS = """\
Every run at its recipe's published rule: nothing is tuned. Means over images; an image that is
empty in both counts 1, in one 0. Intervals are bootstraps over patients. *All empty*: the Dice
of no mask at all. *Positive Dice* is over images with a pneumothorax, *balanced Dice* the mean
of it and of that of the others. *Sensitivity* and *specificity*: of giving an image a mask.
*AUC*: of the image-level output. *Loss*: validation loss of the kept checkpoint, the mean over
folds; recipes with other losses cannot be compared by it."""
DECISIONS = ("decision", "rule", "top / area / bottom, and more", "images", "tuned", "cross-fitted",
             "95 %")  # fmt: skip
ABOUT_DECISIONS = """\
*Tuned*: out-of-fold Dice on the images that the rule was fitted on. *Cross-fitted*: fitted again
without each fold, scored on it. The interval, over patients, is of the cross-fitted Dice, or of
the tuned one where there is no other."""


def runs(board: Board) -> Iterator[str]:
    """Every run with maps, the one that gains most over an empty answer first."""
    measured = sorted(board.everything(), key=lambda one: -one.gains.mean())
    yield from table(RUNS, map(_run, measured))
    names = sorted({name for name, _ in board.found.runs} | set(board.found.left_out))
    yield from below(ABOUT_RUNS, board.notes(names))


def decisions(work: Work) -> Iterator[str]:
    """Every decision, by name."""
    rows, left_out = [], []
    for location in _decisions(work):
        try:
            rows.append(_decision(artifacts.read(location)))
        except InputError as error:
            left_out.append(f"Left out: {error}.")
    yield from table(DECISIONS, rows)
    yield from below(ABOUT_DECISIONS, left_out)


def _run(one: RunMetrics) -> list[str]:
    return [
        one.run.title,
        one.run.recipe.name,
        " ".join(str(part.fold) for part in one.run.parts),
        f"{len(one.patients):,}",
        between(one.dice(), one.ci95),
        number(one.score.all_empty_dice),
        between(one.gains.mean(), one.gain_ci95, "+"),
        *(number(figure(one)) for figure in FIGURES.values()),
    ]


def _decisions(work: Work) -> list[layout.ArtifactPath]:
    """All that should be one, unfinished ones too."""
    folders = layout.artifact_folders(work.root, "decision")
    names = {folder.name.removesuffix(layout.UNFINISHED) for folder in folders}
    return [
        layout.ArtifactPath(work.root, f"decisions/{name}", "decision") for name in sorted(names)
    ]


def _decision(decision: Artifact) -> list[str]:
    decided = json.loads(decision.path(DECISION).read_bytes())
    return [
        decision.location.folder.name,
        decided["rule"],
        in_short(deciders.from_json(decided)),
        f"{decided['images']:,}",
        number(decided["oof_dice"]),
        number(decided["cross_fitted_dice"]),
        NONE if decided["ci95"] is None else "{:.4f} to {:.4f}".format(*decided["ci95"]),
    ]
