"""Tables of all runs and of all decisions."""

from collections.abc import Iterable, Iterator, Sequence

from lib.errors import InputError
from lib.layout import Work
from lib.leaderboard import decisions as decision_files
from lib.leaderboard.costs import COSTS
from lib.leaderboard.decisions import DecisionEntry
from lib.leaderboard.evaluate import RunMetrics
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.markdown import MeanInterval, Record, below, cell, mean_and_interval, table

FIGURES = {
    "positive Dice": RunMetrics.positive_dice,
    "balanced Dice": RunMetrics.balanced_dice,
    "IoU": RunMetrics.iou,
    "precision": RunMetrics.precision,
    "recall": RunMetrics.recall,
    "pixel accuracy": RunMetrics.pixel_accuracy,
    "sensitivity": RunMetrics.sensitivity,
    "specificity": RunMetrics.specificity,
    "AUC": RunMetrics.auc,
    "loss": RunMetrics.loss,
}
RUNS = ("run", "recipe", "folds", "images", "Dice (95 %)", "all-empty",
        "gain over all-empty (95 %)", "shared images", "minus first (95 %)", *FIGURES)  # fmt: skip
ABOUT_RUNS = """\
Every run at its recipe's published rule: nothing is tuned. Maps have the flips of the recipe, or
those that the run's name adds. Means over images; an image scores 1 if both masks are empty, and 0
if one is. Intervals are bootstraps over patients. *All-empty*: the Dice of a submission without any
mask. *Shared images*: those of the folds that a run shares with the run in the first row. *Minus
first*: its Dice minus that run's, image by image, on the shared images; an interval that holds 0
shows no difference. *Positive Dice* is over images with a pneumothorax, *balanced Dice* the mean of
it and of the Dice of the other images. *Sensitivity* and *specificity*: an image with a mask is a
positive prediction. *AUC*: of the image-level output. *Pixel accuracy*: the fraction of the pixels
that are right, inside a mask or outside; without any mask it is near 1 too. *Loss*: validation loss
of the kept checkpoint, the mean over folds; recipes with different losses cannot be compared by it.

*S an epoch*: training alone, the mean over the epochs of all phases and folds. *Ms an image*: stage
03 with reading, all kept checkpoints, flips if there are, and writing. *MB*: the peak memory of a
GPU, or of the main process on a CPU, without those that load images. Times on different devices, or
beside other work, cannot be compared. A dash: not recorded, as by older versions."""
DECISIONS = ("decision", "rule", "top / area / bottom, and more", "images", "tuned", "cross-fitted",
             "95 %", "test (95 %)")  # fmt: skip
ABOUT_DECISIONS = """\
*Tuned*: out-of-fold Dice on the images that the rule was fitted on, if it was. *Cross-fitted*: each
fold scored by a rule that was fitted on the other folds. A rule of --params or --params-from has no
such score: it may have been chosen on these images. The interval, over patients, is of the
cross-fitted Dice, or of the tuned one if there is no cross-fitted one. *Test*: Dice on the test
images of --truth. The best cross-fitted Dice comes first; decisions without one come last."""


def run_records(leaderboard: Leaderboard) -> list[Record]:
    """Return a record of every run with maps, the largest gain over all-empty first."""
    ranked = sorted(leaderboard.all_metrics(), key=lambda metrics: -metrics.gains.mean())
    return [_run_record(metrics, ranked[0]) for metrics in ranked]


def runs(leaderboard: Leaderboard, records: Sequence[Record]) -> Iterator[str]:
    """Yield the table of all runs, and the table of their costs."""
    yield from _table(RUNS, records)
    yield "\nCosts:\n"
    yield from _table(["run", *COSTS], records, digits=1)
    names = sorted({name for name, _ in leaderboard.index.runs} | set(leaderboard.index.skipped))
    yield from below(ABOUT_RUNS, leaderboard.run_notes(names))


def decision_records(
    work: Work, leaderboard: Leaderboard | None = None
) -> tuple[list[Record], list[str]]:
    """Return a record of every decision, the best Dice first, and notes on those left out.

    Args:
        work: the working folder.
        leaderboard: one with a truth, to score the decisions on test images.
    """
    ranked, notes = [], []
    for name in decision_files.names(work):
        try:
            entry = decision_files.read(work, name)
            ranked.append((_rank(entry), _decision_record(entry, leaderboard)))
        except InputError as error:
            notes.append(f"Left out: {error}.")
    ranked.sort(key=lambda pair: pair[0])
    return [record for _, record in ranked], notes


def decisions(records: Iterable[Record], notes: Sequence[str]) -> Iterator[str]:
    """Yield the table of all decisions."""
    yield from _table(DECISIONS, records)
    yield from below(ABOUT_DECISIONS, notes)


def _table(columns: Sequence[str], records: Iterable[Record], digits: int = 4) -> Iterator[str]:
    rows = ([cell(record[name], digits) for name in columns] for record in records)
    return table(columns, rows)


def _run_record(metrics: RunMetrics, first: RunMetrics) -> Record:
    differences, patients = metrics.differences(first)
    return {
        "run": metrics.run.title,
        "recipe": metrics.run.recipe.name,
        "folds": " ".join(str(fold_run.fold) for fold_run in metrics.run.fold_runs),
        "images": len(metrics.patient_ids),
        "Dice (95 %)": mean_and_interval(metrics.score.dices, metrics.patient_ids),
        "all-empty": metrics.score.all_empty_dice,
        "gain over all-empty (95 %)": mean_and_interval(
            metrics.gains, metrics.patient_ids, is_difference=True
        ),
        "shared images": len(differences),
        "minus first (95 %)": mean_and_interval(differences, patients, is_difference=True)
        if metrics is not first and len(differences)
        else None,
        **{name: figure(metrics) for name, figure in FIGURES.items()},
        **{name: cost(metrics.run) for name, cost in COSTS.items()},
    }


def _decision_record(entry: DecisionEntry, leaderboard: Leaderboard | None) -> Record:
    decision = entry.decision
    test = None
    if leaderboard and leaderboard.truth is not None:
        score = decision_files.score_on_test(entry, leaderboard.dataset, leaderboard.truth)
        test = MeanInterval(score.dice, *score.ci95)
    return {
        "decision": entry.name,
        "rule": decision.rule_name,
        "top / area / bottom, and more": str(decision.rule),
        "images": decision.images,
        "tuned": decision.oof_dice,
        "cross-fitted": decision.cross_fitted_dice,
        "95 %": "{:.4f} to {:.4f}".format(*decision.ci95) if decision.ci95 else None,
        "test (95 %)": test,
    }


def _rank(entry: DecisionEntry) -> tuple[bool, float, str]:
    """Return the sort key of a decision: best first, those without a cross-fitted Dice last."""
    crossed, tuned = entry.decision.cross_fitted_dice, entry.decision.oof_dice
    return crossed is None, -(crossed or tuned or 0.0), entry.name
