"""--weights search: the weight of each member, found on out-of-fold maps.

Greedy forward selection with replacement (Caruana et al., Ensemble selection from libraries of
models, ICML 2004): a selection holds a count of each member and starts empty. STEPS times it adds
the member, perhaps again, with which it scores best. The best selection on the way is taken, if it
scores more than equal weights do. Members with count 0 have weight 0.

The score of a selection is the cross-fitted Dice of its blended maps: the images of each fold at
the rule that is exactly the best, of all triplets, on the other folds.

Rules, truth and all areas are exact. The map is an approximation: while weights are searched, a
blend has one value for each block of BLOCK x BLOCK pixels of the frame, their mean. The final
decision is measured on the maps themselves. Each pass over the maps scores AT_ONCE selections; only
their histograms are held, 2 KB for each image and selection. Tuning takes most of the time: a
minute a selection with 12,000 images in 5 folds on one core, and each member has some ten
selections.

The weights are fitted on truth, so they are also found without each fold. `heldout_file` holds the
histograms of all images under the weights that were found without a fold. They replace the
ensemble's own (`OofSample.heldout_histograms`) when the decision is measured on the images of that
fold.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.decision.histograms import Histograms
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS, search
from lib.ensemble.average import BlendCounter, LabelledImage, labelled_images
from lib.ensemble.members import MemberFold
from lib.files import Journal, write_json
from lib.layout import Fold

STEPS = 10  # so a weight is a multiple of a tenth, a ninth, ...
BLOCK = 4  # 256 x 256 of 1024 x 1024: a perfect mask still has Dice .98
AT_ONCE = 8
WEIGHTS_FILE = "weights.json"

MemberCounts = tuple[int, ...]  # count of each member in a selection
LeftOut = int | None  # the fold that a selection is made without; None: all folds are used


def heldout_file(fold: LeftOut) -> str:
    """Return the name of the histograms under the weights that were found without a fold."""
    return f"histograms.without{fold}.npz"


def find_weights(draft: Draft, members: Sequence[MemberFold], dataset: Dataset) -> list[MemberFold]:
    """Search the weights of the members, from where an interrupted call stopped.

    Writes weights.json, and the histograms without each fold if there are several.

    Args:
        draft: of the ensemble; its journal keeps the scores of selections.
        members: maps, with any weights.
        dataset: truth and folds.

    Returns:
        The members with the weights found.
    """
    images = labelled_images(members, dataset)
    runs = list(dict.fromkeys(member.run for member in members))
    folds = sorted({image.fold for image in images})
    counter = _block_counter(members, dataset.rle_size)
    scores = SelectionScores(counter, images, draft.journal)
    final, *heldout = select(scores, len(runs), [None, *(folds if len(folds) > 1 else [])])
    for fold, histograms in _count_heldout(replace(counter, block=1), images, heldout):
        histograms.save(draft.path(heldout_file(fold)))
    report = {
        "members": runs,
        "weights": final.weights,
        "without_fold": {str(selection.left_out): selection.weights for selection in heldout},
        "block": counter.block,
        "cross_fitted_dice": scores[final.best, None],
        "cross_fitted_dice_of_equal": scores[(1,) * len(runs), None],
    }
    write_json(draft.path(WEIGHTS_FILE), report)
    weight_of = dict(zip(runs, final.weights, strict=True))
    return [replace(member, weight=weight_of[member.run]) for member in members]


def describe_weights(ensemble: Artifact) -> str | None:
    """Return the weights that were found, in a line; None if none were searched."""
    if WEIGHTS_FILE not in ensemble.files:
        return None
    report = json.loads(ensemble.path(WEIGHTS_FILE).read_bytes())
    weights = zip(report["members"], report["weights"], strict=True)
    return "weights found: " + ", ".join(f"{run} {weight:.3f}" for run, weight in weights)


@dataclass
class Selection:
    """The state of a greedy selection.

    Attributes:
        left_out: the fold that it is made without.
        counts: its present count of each member.
        best: the best counts so far; equal weights until others score more, then the earliest.
    """

    left_out: LeftOut
    counts: MemberCounts
    best: MemberCounts

    @property
    def extensions(self) -> list[MemberCounts]:
        """The present counts with one more of each member in turn."""
        return [
            tuple(count + (member == other) for other, count in enumerate(self.counts))
            for member in range(len(self.counts))
        ]

    @property
    def weights(self) -> list[float]:
        """The weights of the best counts; they sum to 1."""
        return [count / sum(self.best) for count in self.best]

    def step(self, scores: "SelectionScores") -> None:
        """Add the member with which the selection scores best; of equal ones the first."""
        self.counts = max(self.extensions, key=lambda counts: scores[counts, self.left_out])
        if scores[self.counts, self.left_out] > scores[self.best, self.left_out]:
            self.best = self.counts


def select(scores: "SelectionScores", members: int, folds: Sequence[LeftOut]) -> list[Selection]:
    """Select without each of some folds (None: on all), all selections step by step together."""
    selections = [Selection(fold, (0,) * members, (1,) * members) for fold in folds]
    scores.measure((selection.best, selection.left_out) for selection in selections)
    for _ in range(STEPS):
        scores.measure(
            (counts, selection.left_out)
            for selection in selections
            for counts in selection.extensions
        )
        for selection in selections:
            selection.step(scores)
    return selections


class SelectionScores:
    """The cross-fitted Dice of selections, with each fold left out in turn."""

    def __init__(
        self, counter: BlendCounter, images: Sequence[LabelledImage], journal: Journal
    ) -> None:
        self.counter, self.images, self.journal = counter, images, journal
        self.folds = np.array([image.fold for image in images])
        self.scores: dict[tuple[MemberCounts, LeftOut], float] = {
            (tuple(record["counts"]), record["without"]): record["dice"]
            for record in journal.read()
        }

    def __getitem__(self, key: tuple[MemberCounts, LeftOut]) -> float:
        counts, left_out = key
        return self.scores[_reduced(counts), left_out]

    def measure(self, keys: Iterable[tuple[MemberCounts, LeftOut]]) -> None:
        """Score selections together, AT_ONCE of them on one reading of the maps.

        Args:
            keys: counts, and the fold that is left out.
        """
        unknown = {(_reduced(counts), fold) for counts, fold in keys} - self.scores.keys()
        for batch in _batches(sorted({counts for counts, _ in unknown})):
            counter = replace(self.counter, weights=np.array(batch, float))
            blends = counter.count(self.images, "weights")
            for counts, histograms in zip(batch, blends, strict=True):
                tuner = BlendTuner(histograms, self.folds)
                for fold in [fold for other, fold in unknown if other == counts]:
                    dice = tuner.cross_fitted_dice(fold)
                    self.scores[counts, fold] = dice
                    self.journal.append([{"counts": counts, "without": fold, "dice": dice}])


class BlendTuner:
    """The best triplets of a blend on subsets of its folds, each searched once."""

    def __init__(self, histograms: Histograms, folds: np.ndarray) -> None:
        self.histograms, self.folds = histograms, folds
        self.rules: dict[tuple[int, ...], ThresholdRule] = {}

    def cross_fitted_dice(self, left_out: LeftOut) -> float:
        """Return the mean Dice of the images outside of a fold, which is not used at all.

        The images of each fold are scored at the best rule of the others. A single fold has no
        others: it is scored at its own best rule.
        """
        folds = [int(fold) for fold in np.unique(self.folds) if fold != left_out]
        dice = []
        for heldout in folds:
            rule = self._best(tuple(fold for fold in folds if fold != heldout) or (heldout,))
            dice.append(rule.histogram_dice(self.histograms[self.folds == heldout]))
        return round(float(np.concatenate(dice).mean()), 12)  # sums differ in their last digits

    def _best(self, folds: tuple[int, ...]) -> ThresholdRule:
        if folds not in self.rules:
            chosen = self.histograms[np.isin(self.folds, folds)]
            self.rules[folds] = search(chosen, PRESETS["triplet"]).best
        return self.rules[folds]


def _block_counter(members: Sequence[MemberFold], size: int) -> BlendCounter:
    """Return a counter of blocks, whose weights are set before each use."""
    folders: dict[Fold, list[Path]] = {}
    for member in members:
        folders.setdefault(member.fold, []).append(member.probs.location.folder)
    return BlendCounter(size, folders, np.empty((0, 0)), math.gcd(size, BLOCK))


def _count_heldout(
    counter: BlendCounter, images: Sequence[LabelledImage], selections: Sequence[Selection]
) -> Iterator[tuple[LeftOut, Histograms]]:
    """Yield each fold with the histograms under the weights that were found without it."""
    for batch in _batches(selections):
        weights = np.array([selection.best for selection in batch], float)
        blends = replace(counter, weights=weights).count(images, "without a fold")
        yield from zip([selection.left_out for selection in batch], blends, strict=True)


def _reduced(counts: MemberCounts) -> MemberCounts:
    """Return the smallest counts with the same weights: 2 2 0 becomes 1 1 0."""
    return tuple(count // math.gcd(*counts) for count in counts)


def _batches(selections: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (selections[first : first + AT_ONCE] for first in range(0, len(selections), AT_ONCE))
