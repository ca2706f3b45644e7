"""The exact search: every pair of levels with every possible minimum area, over all images.

Exact: with `min_area` m, an image keeps its mask if at least m of its pixels pass `top`. Sorted by
that count, the images that some m keeps are the first few, for any m; so one cumulative sum of what
each image gains by its mask (its Dice less that of an empty answer) scores every m at once, and for
all bottom levels together. Images with equal counts move together. What is found is the best of
all rules of the preset, not the best of a grid.
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
    extra: Literal["components", "class", "expected"] | None = (
        None  # what is searched beyond histograms
    )


PRESETS = {
    "single": Preset(one_threshold=True, gated=False),
    "duplet": Preset(one_threshold=True, gated=True),
    "triplet": Preset(one_threshold=False, gated=True),
    "components": Preset(one_threshold=False, gated=True, extra="components"),
    "gated": Preset(one_threshold=False, gated=True, extra="class"),
    "expected": Preset(one_threshold=False, gated=True, extra="expected"),
}


@dataclass(frozen=True)
class Curves:
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
    """The best score of every pair of levels, and the smallest area that has it.

    Attributes:
        score: (255, 255) mean Dice by top and bottom; -inf for pairs that are not searched.
        area: (255, 255) in pixels.
        passing: (N,) bool, the images that a class gate lets through; the others are empty.
    """

    histograms: Histograms
    preset: Preset
    gains: "Gains"
    score: np.ndarray
    area: np.ndarray
    passing: np.ndarray | None = None

    @cached_property
    def best(self) -> Rule:
        """The arg-max; of equal ones the lowest top, then the lowest bottom, then area."""
        tops, bottoms = np.nonzero(self.score >= self.score.max() - TIE)
        pair = int(tops[0]), int(bottoms[0])
        return from_levels(*pair, self.area[pair])

    def curve(self, top: int, bottom: int) -> Curves:
        """The score of one pair over every minimum area; `Curves.score` has one column."""
        return self.gains.curves(top, slice(bottom, bottom + 1), self.preset.gated)


def search(histograms: Histograms, preset: Preset, passing: np.ndarray | None = None) -> Surface:
    """Score every rule of a preset, as far as histograms go.

    Args:
        histograms: of N images; time and memory are proportional to N.
        preset: one of PRESETS.
        passing: (N,) bool, the images that a class gate lets through; None: all.
    """
    gains = Gains(histograms, passing)
    score = np.full((LEVELS, LEVELS), -np.inf)
    area = np.zeros((LEVELS, LEVELS), np.int64)
    for top in range(LEVELS):
        bottoms = slice(top if preset.one_threshold else 0, top + 1)
        curves = gains.curves(top, bottoms, preset.gated)
        best = curves.score.max(axis=0)
        score[top, bottoms] = best
        area[top, bottoms] = curves.lowest[np.argmax(curves.score >= best - TIE, axis=0)]
    return Surface(histograms, preset, gains, score, area, passing)


class Gains:
    """What each image gains by its mask, at every bottom level."""

    def __init__(self, histograms: Histograms, passing: np.ndarray | None = None) -> None:
        self.images = len(histograms)
        self.all_empty = metrics.dice(0, histograms.truth, 0).mean()
        seen = histograms if passing is None else histograms[passing]
        dice = metrics.dice(seen.above, seen.truth[:, None], seen.overlap)
        self.counts = seen.above
        self.positive = seen.truth > 0
        self.gain = dice - metrics.dice(0, seen.truth, 0)[:, None]
        self.ungated = self.gain.sum(axis=0)
        # By level, so that sums over images run along memory.
        self.of_positives = np.ascontiguousarray(self.gain[self.positive].T)
        self.number = np.cumsum(self.positive) - 1  # of a positive, among them

    def curves(self, top: int, bottoms: slice, gated: bool) -> Curves:
        """The score over every minimum area, for some bottom levels together."""
        if not gated:
            nothing = np.zeros(1, np.int64)
            return Curves(nothing, nothing, self._score(self.ungated[None, bottoms]))
        counts = self.counts[:, top]
        passing = np.flatnonzero(counts)
        order = passing[np.argsort(-counts[passing], kind="stable")]
        counts, positive = counts[order], self.positive[order]
        steps = np.flatnonzero(np.diff(counts, append=0))[::-1]  # the last image of each count
        highest = counts[steps]
        positives = np.cumsum(positive)[steps]
        found = np.take(self.of_positives[bottoms], self.number[order[positive]], axis=1)
        gained = np.pad(found.cumsum(axis=1), ((0, 0), (1, 0)))  # by so many positives
        sums = np.zeros((len(gained), steps.size + 2))
        sums[:, 0] = self.ungated[bottoms]
        # Any mask costs an empty image all: most images need no more than to be counted.
        sums[:, 1:-1] = np.take(gained, positives, axis=1) - (steps + 1 - positives)
        lowest = np.concatenate([[0, 1], highest + 1])
        highest = np.concatenate([[0], highest, lowest[-1:]])
        return Curves(lowest, highest, self._score(sums).T)

    def _score(self, gained: np.ndarray) -> np.ndarray:
        return self.all_empty + gained / self.images
