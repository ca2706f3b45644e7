"""--weights search: how much each member counts, found on out-of-fold maps.

Greedy forward selection with replacement (Caruana et al., Ensemble selection from libraries of
models, ICML 2004): a bag begins empty, and STEPS times takes in the member, perhaps once more, with
which it scores best; the best bag on the way wins, if it scores more than equal weights do.
Members that it holds no copy of weigh nothing.

A bag's score is the cross-fitted Dice of its blended maps: the images of each fold at the rule that
is exactly the best (of all triplets) on the other folds.

Exact are the rules, the truth and all areas. Conditional is the map: while weights are searched, a
blend has one value for each block of BLOCK x BLOCK pixels of the frame, the mean of what it has
there. What is decided later is measured on the maps themselves. One reading of the maps serves
AT_ONCE bags; only their histograms are held, 2 KB an image and bag. Tuning takes most of the time:
a minute a bag with 12,000 images in 5 folds on one core, and each member has some ten bags.

The weights are fitted on truth, so they are also found without each fold. `blind_file` holds the
histograms of all images under the weights that were found without a fold: they stand in for the
ensemble's own (`Sample.blind`) when the decision is measured on the images of that fold.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lib.artifacts import Draft
from lib.decision import threshold_search as rules
from lib.decision.histograms import Histograms
from lib.ensemble.blend import Counter, Labelled
from lib.ensemble.members import MemberFold
from lib.files import Journal, write_json
from lib.layout import Fold
from lib.recipes.schema import Rule

STEPS = 10  # so a weight is a multiple of a tenth, a ninth, ...
BLOCK = 4  # 256 x 256 of 1024 x 1024: a perfect mask still has Dice .98
AT_ONCE = 8
WEIGHTS = "weights.json"

MemberCounts = tuple[int, ...]  # how many copies of each member
LeftOut = int | None  # the fold that a selection is made without; None: on all


def blind_file(fold: int) -> str:
    """The histograms under the weights that were found without a fold."""
    return f"histograms.without{fold}.npz"


def find(
    draft: Draft, sources: Sequence[MemberFold], images: Sequence[Labelled]
) -> list[MemberFold]:
    """Search the weights of the members; goes on where an interrupted call ended.

    Writes weights.json, and the histograms without each fold if there are several.

    Args:
        draft: of the ensemble; its journal keeps the scores of bags.
        sources: the maps, with any weights.
        images: those with an out-of-fold map in every member.

    Returns:
        The sources with the weights found.
    """
    members = list(dict.fromkeys(source.member for source in sources))
    folds = sorted({image.fold for image in images})
    counter = _counter(sources, draft.config["rle_size"])
    scores = Scores(counter, images, draft.journal)
    whole, *blind = select(scores, len(members), [None, *(folds if len(folds) > 1 else [])])
    for fold, histograms in _count_blind(replace(counter, block=1), images, blind):
        histograms.save(draft.path(blind_file(fold)))
    report = {
        "members": members,
        "weights": whole.shares,
        "without_fold": {str(selection.left_out): selection.shares for selection in blind},
        "block": counter.block,
        "cross_fitted_dice": scores[whole.best, None],
        "cross_fitted_dice_of_equal": scores[(1,) * len(members), None],
    }
    write_json(draft.path(WEIGHTS), report)
    shares = dict(zip(members, whole.shares, strict=True))
    return [replace(source, weight=shares[source.member]) for source in sources]


@dataclass
class Selection:
    """A greedy selection on the way.

    Attributes:
        left_out: the fold that it is made without.
        bag: what it holds now.
        best: the best it has held; equal weights until another scores more, then the earliest.
    """

    left_out: LeftOut
    bag: MemberCounts
    best: MemberCounts

    @property
    def larger(self) -> list[MemberCounts]:
        """The bag with a further copy of each member in turn."""
        return [
            tuple(count + (member == other) for other, count in enumerate(self.bag))
            for member in range(len(self.bag))
        ]

    @property
    def shares(self) -> list[float]:
        """The weights of the best bag; they sum to 1."""
        return [count / sum(self.best) for count in self.best]

    def step(self, scores: "Scores") -> None:
        """Take in the member with which it scores best; of equal ones the first."""
        self.bag = max(self.larger, key=lambda bag: scores[bag, self.left_out])
        if scores[self.bag, self.left_out] > scores[self.best, self.left_out]:
            self.best = self.bag


def select(scores: "Scores", members: int, folds: Sequence[LeftOut]) -> list[Selection]:
    """Select without each of some folds (None: on all), a step of all selections at a time."""
    selections = [Selection(fold, (0,) * members, (1,) * members) for fold in folds]
    scores.measure((one.best, one.left_out) for one in selections)
    for _ in range(STEPS):
        scores.measure((bag, one.left_out) for one in selections for bag in one.larger)
        for one in selections:
            one.step(scores)
    return selections


class Scores:
    """The cross-fitted Dice of bags, as each selection sees it."""

    def __init__(self, counter: Counter, images: Sequence[Labelled], journal: Journal) -> None:
        self.counter, self.images, self.journal = counter, images, journal
        self.folds = np.array([image.fold for image in images])
        self.known: dict[tuple[MemberCounts, LeftOut], float] = {
            (tuple(record["bag"]), record["without"]): record["dice"] for record in journal.read()
        }

    def __getitem__(self, key: tuple[MemberCounts, LeftOut]) -> float:
        bag, left_out = key
        return self.known[_reduced(bag), left_out]

    def measure(self, wanted: Iterable[tuple[MemberCounts, LeftOut]]) -> None:
        """Score bags together, AT_ONCE of them on one reading of the maps.

        Args:
            wanted: bags, and the fold that the selection which asks was made without.
        """
        unknown = {(_reduced(bag), fold) for bag, fold in wanted} - self.known.keys()
        for bags in _batches(sorted({bag for bag, _ in unknown})):
            counter = replace(self.counter, weights=np.array(bags, float))
            blends = counter.count(self.images, "weights")
            for bag, histograms in zip(bags, blends, strict=True):
                tuned = Tuned(histograms, self.folds)
                asked = [left_out for other, left_out in unknown if other == bag]
                self._keep(bag, {left_out: tuned.honest_dice(left_out) for left_out in asked})

    def _keep(self, bag: MemberCounts, dices: dict[LeftOut, float]) -> None:
        self.known |= {(bag, left_out): dice for left_out, dice in dices.items()}
        self.journal.append(
            {"bag": bag, "without": left_out, "dice": dice} for left_out, dice in dices.items()
        )


class Tuned:
    """The best rules of a blend on some of its folds, each searched once."""

    def __init__(self, histograms: Histograms, folds: np.ndarray) -> None:
        self.histograms, self.folds = histograms, folds
        self.rules: dict[tuple[int, ...], Rule] = {}

    def honest_dice(self, left_out: LeftOut) -> float:
        """The mean Dice of the images outside of a fold, which is not looked at.

        The images of each fold are masked by the rule that is best on the others; of a single one,
        with no other to tune on, by its own best.
        """
        folds = [int(fold) for fold in np.unique(self.folds) if fold != left_out]
        dice = []
        for held in folds:
            rule = self._best(tuple(fold for fold in folds if fold != held) or (held,))
            dice.append(self.histograms[self.folds == held].dice(rule))
        return round(float(np.concatenate(dice).mean()), 12)  # sums differ in their last digits

    def _best(self, folds: tuple[int, ...]) -> Rule:
        if folds not in self.rules:
            chosen = self.histograms[np.isin(self.folds, folds)]
            self.rules[folds] = rules.search(chosen, rules.PRESETS["triplet"]).best
        return self.rules[folds]


def _counter(sources: Sequence[MemberFold], size: int) -> Counter:
    """Of blocks, as long as nobody asks for the whole frame; its weights are still to be set."""
    folders: dict[Fold, list[Path]] = {}
    for source in sources:
        folders.setdefault(source.fold, []).append(source.probs.location.folder)
    return Counter(size, folders, np.empty((0, 0)), math.gcd(size, BLOCK))


def _count_blind(
    counter: Counter, images: Sequence[Labelled], blind: Sequence[Selection]
) -> Iterator[tuple[int, Histograms]]:
    """Each fold, and the histograms under the weights that were found without it."""
    for bags in _batches(sorted({selection.best for selection in blind})):
        blends = replace(counter, weights=np.array(bags, float)).count(images, "without a fold")
        counted = dict(zip(bags, blends, strict=True))
        for selection in blind:
            if selection.best in counted:
                assert selection.left_out is not None
                yield selection.left_out, counted[selection.best]


def _reduced(bag: MemberCounts) -> MemberCounts:
    """The smallest bag with these weights: 2 2 0 is 1 1 0."""
    return tuple(count // math.gcd(*bag) for count in bag)


def _batches(bags: Sequence[MemberCounts]) -> Iterator[Sequence[MemberCounts]]:
    return (bags[first : first + AT_ONCE] for first in range(0, len(bags), AT_ONCE))
