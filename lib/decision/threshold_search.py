"""The exact search: every pair of levels with every possible minimum area, over all images.

Exact: with `min_area` m, an image keeps its mask if at least m of its pixels pass `top`. Sorted by
that count, the images that some m keeps are the first few, for any m; so one cumulative sum of what
each image gains by its mask (its Dice less that of an empty answer) scores every m at once, and for
all bottom levels together. Only positive images gain: the best m lies at the count of one of them,
or lets none or all through. What is found is the best of all rules of the preset, not of a grid.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from lib import metrics
from lib.decision.histograms import Histograms
from lib.decision.rules import LEVELS, from_levels
from lib.recipes.schema import Rule

TIE = 1e-12  # scores nearer than this are equal; sums of 12,047 terms differ by 1e-14 or so


class Preset(NamedTuple):
    """Which rules are searched."""

    one_threshold: bool  # bottom = top
    gated: bool  # with a minimum area
    extension: Literal["components", "class", "expected"] | None = (
        None  # what is searched beyond histograms
    )


PRESETS = {
    "single": Preset(one_threshold=True, gated=False),
    "duplet": Preset(one_threshold=True, gated=True),
    "triplet": Preset(one_threshold=False, gated=True),
    "components": Preset(one_threshold=False, gated=True, extension="components"),
    "gated": Preset(one_threshold=False, gated=True, extension="class"),
    "expected": Preset(one_threshold=False, gated=True, extension="expected"),
}


@dataclass(frozen=True)
class AreaCurve:
    """The score over `min_area`, in steps: from `lowest[k]` to `highest[k]` pixels it is one.

    Attributes:
        lowest, highest: (K,) ascending, in pixels; the first step is 0, no gate; from the last
            step's lowest on every image is empty.
        score: (K, bottoms), the mean Dice of each step.
    """

    lowest: np.ndarray
    highest: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Surface:
    """The best score of every pair of levels.

    Attributes:
        score: (255, 255) mean Dice by top and bottom; -inf for pairs that are not searched.
        passing: (N,) bool, the images that a class gate lets through; the others are empty.
    """

    histograms: Histograms
    preset: Preset
    gains: "Gains"
    score: np.ndarray
    passing: np.ndarray | None = None

    @cached_property
    def best(self) -> Rule:
        """The arg-max; of equal ones the lowest top, then the lowest bottom, then area."""
        tops, bottoms = np.nonzero(self.score >= self.score.max() - TIE)
        return self.rule(int(tops[0]), int(bottoms[0]))

    def rule(self, top: int, bottom: int) -> Rule:
        """A pair with the smallest minimum area that has its best score."""
        curve = self.curve(top, bottom)
        step = np.argmax(curve.score >= curve.score.max() - TIE)
        return from_levels(top, bottom, curve.lowest[step])

    def curve(self, top: int, bottom: int) -> AreaCurve:
        """The score of one pair over every minimum area; `Curves.score` has one column."""
        return self.gains.curve(top, bottom, self.preset.gated)


def search(histograms: Histograms, preset: Preset, passing: np.ndarray | None = None) -> Surface:
    """Score every rule of a preset, as far as histograms go.

    Args:
        histograms: of N images; time and memory are proportional to N.
        preset: one of PRESETS.
        passing: (N,) bool, the images that a class gate lets through; None: all.
    """
    gains = Gains(histograms, passing)
    score = np.full((LEVELS, LEVELS), -np.inf)
    for top in range(LEVELS):
        bottoms = slice(top if preset.one_threshold else 0, top + 1)
        score[top, bottoms] = gains.highest(top, bottoms, preset.gated)
    return Surface(histograms, preset, gains, score, passing)


class Gains:
    """What the images gain by their masks, summed for any minimum area.

    Any mask costs an empty image all: of these it is enough to know how many get one.
    """

    def __init__(self, histograms: Histograms, passing: np.ndarray | None = None) -> None:
        self.images = len(histograms)
        self.all_empty = metrics.dice(0, histograms.truth, 0).mean()
        seen = histograms if passing is None else histograms[passing]
        positives, empty = seen[seen.positive], seen[~seen.positive]
        # By level, so that sums over images run along memory.
        self.gain = np.ascontiguousarray(positives.gain.T)
        self.counts = np.ascontiguousarray(positives.above.T)
        self.counts_of_empty = np.sort(empty.above.T)
        self.ungated = self.gain.sum(axis=1) - np.count_nonzero(self.counts_of_empty, axis=1)

    def highest(self, top: int, bottoms: slice, gated: bool) -> np.ndarray:
        """The highest score over all minimum areas, for some bottom levels together.

        It lies where a positive image is the last to pass, or where none passes, or all: one more
        empty image only costs.
        """
        sums = self.ungated[bottoms]
        if gated:
            counts, order = self._passing(top)
            gained = np.cumsum(np.take(self.gain[bottoms], order, axis=1), axis=1)
            gained -= _at_least(counts, self.counts_of_empty[top])
            sums = np.maximum(sums, gained.max(axis=1, initial=0))
        return self._score(sums)

    def curve(self, top: int, bottom: int, gated: bool) -> AreaCurve:
        """The score over every minimum area."""
        sums = self.ungated[bottom : bottom + 1]
        if not gated:
            nothing = np.zeros(1, np.int64)
            return AreaCurve(nothing, nothing, self._score(sums)[:, None])
        counts, order = self._passing(top)
        empty = self.counts_of_empty[top]
        cuts = np.unique(np.concatenate([counts, empty[empty > 0]]))
        lowest = np.concatenate([[0, 1], cuts + 1])
        highest = np.concatenate([[0], cuts, lowest[-1:]])
        gained = np.append(0, np.cumsum(self.gain[bottom, order]))
        kept = gained[_at_least(lowest[1:], counts[::-1])] - _at_least(lowest[1:], empty)
        sums = np.append(sums, kept)
        return AreaCurve(lowest, highest, self._score(sums)[:, None])

    def _passing(self, top: int) -> tuple[np.ndarray, np.ndarray]:
        """The positive images that have pixels above a level, most first: how many, and which."""
        counts = self.counts[top]
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        return counts[order], order

    def _score(self, gained: np.ndarray) -> np.ndarray:
        return self.all_empty + gained / self.images


def _at_least(limits: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """How many of some numbers reach each limit."""
    return len(ascending) - np.searchsorted(ascending, limits)
