"""Tables of all runs and of all decisions."""

from collections.abc import Iterator

from lib.errors import InputError
from lib.layout import Work
from lib.leaderboard import decisions as decision_files
from lib.leaderboard.decisions import DecisionEntry
from lib.leaderboard.evaluate import RunMetrics
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.markdown import NONE, below, mean_and_interval, number, table

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
RUNS = ("run", "recipe", "folds", "images", "Dice (95 %)", "all-empty",
        "gain over all-empty (95 %)", *FIGURES)  # fmt: skip
ABOUT_RUNS = """\
Every run at its recipe's published rule: nothing is tuned. Means over images; an image scores 1
if both masks are empty, and 0 if one is. Intervals are bootstraps over patients. *All-empty*: the
Dice of a submission without any mask. *Positive Dice* is over images with a pneumothorax,
*balanced Dice* the mean of it and of the Dice of the other images. *Sensitivity* and
*specificity*: an image with a mask is a positive prediction. *AUC*: of the image-level output.
*Loss*: validation loss of the kept checkpoint, the mean over folds; recipes with different losses
cannot be compared by it."""
DECISIONS = ("decision", "rule", "top / area / bottom, and more", "images", "tuned", "cross-fitted",
             "95 %")  # fmt: skip
ABOUT_DECISIONS = """\
*Tuned*: out-of-fold Dice on the images that the rule was fitted on. *Cross-fitted*: each fold
scored by a rule that was fitted on the other folds. The interval, over patients, is of the
cross-fitted Dice, or of the tuned one if there is no cross-fitted one."""


def runs(leaderboard: Leaderboard) -> Iterator[str]:
    """Yield the table of every run with maps, the largest gain over all-empty first."""
    ranked = sorted(leaderboard.all_metrics(), key=lambda metrics: -metrics.gains.mean())
    yield from table(RUNS, map(_run_row, ranked))
    names = sorted({name for name, _ in leaderboard.index.runs} | set(leaderboard.index.skipped))
    yield from below(ABOUT_RUNS, leaderboard.run_notes(names))


def decisions(work: Work) -> Iterator[str]:
    """Yield the table of every decision, by name."""
    rows, notes = [], []
    for name in decision_files.names(work):
        try:
            rows.append(_decision_row(decision_files.read(work, name)))
        except InputError as error:
            notes.append(f"Left out: {error}.")
    yield from table(DECISIONS, rows)
    yield from below(ABOUT_DECISIONS, notes)


def _run_row(metrics: RunMetrics) -> list[str]:
    return [
        metrics.run.title,
        metrics.run.recipe.name,
        " ".join(str(fold_run.fold) for fold_run in metrics.run.fold_runs),
        f"{len(metrics.patient_ids):,}",
        mean_and_interval(metrics.score.dices, metrics.patient_ids),
        number(metrics.score.all_empty_dice),
        mean_and_interval(metrics.gains, metrics.patient_ids, "+"),
        *(number(figure(metrics)) for figure in FIGURES.values()),
    ]


def _decision_row(entry: DecisionEntry) -> list[str]:
    decision = entry.decision
    return [
        entry.name,
        decision.rule_name,
        str(decision.rule),
        f"{decision.images:,}",
        number(decision.oof_dice),
        number(decision.cross_fitted_dice),
        "{:.4f} to {:.4f}".format(*decision.ci95) if decision.ci95 else NONE,
    ]
