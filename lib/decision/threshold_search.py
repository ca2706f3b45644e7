"""Exact search: every pair of levels with every possible minimum area, over all images.

With `min_area` m, an image keeps its mask if at least m of its pixels pass `top`. Sorted by that
count, highest first, the images that keep their mask are the first few, for any m. So one
cumulative sum of gains scores every m at once, and for all bottom levels together. The gain of an
image is the Dice of its mask, minus that of the empty mask. Only positive images gain: the best m
is the count of one of them, or one that keeps all images, or none. The result is the best of all
rules of the preset, not of a grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from lib.decision.histograms import Histograms
from lib.decision.rules import LEVELS, ThresholdRule

TIE = 1e-12  # scores nearer than this are equal; sums of 12,047 terms differ by 1e-14 or so


class Preset(NamedTuple):
    """A family of rules to search.

    Attributes:
        one_threshold: True if bottom = top.
        has_min_area: True if a minimum area is searched.
        extension: what is searched beyond histograms.
    """

    one_threshold: bool
    has_min_area: bool
    extension: Literal["components", "class", "expected"] | None = None


PRESETS = {
    "single": Preset(one_threshold=True, has_min_area=False),
    "duplet": Preset(one_threshold=True, has_min_area=True),
    "triplet": Preset(one_threshold=False, has_min_area=True),
    "components": Preset(one_threshold=False, has_min_area=True, extension="components"),
    "gated": Preset(one_threshold=False, has_min_area=True, extension="class"),
    "expected": Preset(one_threshold=False, has_min_area=True, extension="expected"),
}


@dataclass(frozen=True)
class AreaCurve:
    """The score as a step function of a minimum area: constant from `lowest[k]` to `highest[k]`.

    Attributes:
        lowest, highest: (K,) ascending, in pixels; the first step is 0, no minimum area; in
            the last step every image is empty.
        score: (K,) mean Dice of each step.
    """

    lowest: np.ndarray
    highest: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Surface:
    """The best score of every pair of levels.

    Attributes:
        histograms: of the N images that were searched.
        preset: the family of rules.
        gains: sums from which every score is computed.
        score: (255, 255) mean Dice by top and bottom; -inf for pairs that are not searched.
        passing: (N,) bool, images that a class gate lets through; the others are empty.
    """

    histograms: Histograms
    preset: Preset
    gains: "Gains"
    score: np.ndarray
    passing: np.ndarray | None = None

    @cached_property
    def best(self) -> ThresholdRule:
        """The rule of the highest score; of equal ones the lowest top, then bottom, then area."""
        return self.rule(*divmod(first_best(self.score), LEVELS))

    def rule(self, top: int, bottom: int) -> ThresholdRule:
        """Return a pair of levels with the smallest minimum area that reaches its best score."""
        curve = self.curve(top, bottom)
        return ThresholdRule.from_levels(top, bottom, curve.lowest[first_best(curve.score)])

    def curve(self, top: int, bottom: int) -> AreaCurve:
        """Return the score of a pair over every minimum area."""
        return self.gains.curve(top, bottom, self.preset.has_min_area)


def search(histograms: Histograms, preset: Preset, passing: np.ndarray | None = None) -> Surface:
    """Score every rule of a preset, as far as histograms go.

    Args:
        histograms: of N images; time and memory are proportional to N.
        preset: one of PRESETS.
        passing: (N,) bool, images that a class gate lets through; None: all.
    """
    gains = Gains(histograms, passing)
    score = np.full((LEVELS, LEVELS), -np.inf)
    for top in range(LEVELS):
        bottoms = slice(top if preset.one_threshold else 0, top + 1)
        score[top, bottoms] = gains.highest(top, bottoms, preset.has_min_area)
    return Surface(histograms, preset, gains, score, passing)


def first_best(score: np.ndarray | Sequence[float]) -> int:
    """Return the (flat) index of the highest score; of equal ones the first."""
    return int(np.argmax(score >= np.max(score) - TIE))


class Gains:
    """The gains of all images by their masks, summed for any minimum area.

    An empty image with any mask scores 0. So of empty images only the counts are needed.
    """

    def __init__(self, histograms: Histograms, passing: np.ndarray | None = None) -> None:
        self.n_images = len(histograms)
        self.all_empty = histograms.all_empty_dice.mean()
        gated = histograms if passing is None else histograms[passing]
        positives, negatives = gated[gated.positive], gated[~gated.positive]
        # By level first, so that sums over images run along memory.
        self.gain = np.ascontiguousarray(positives.gain.T)
        self.positive_counts = np.ascontiguousarray(positives.above.T)
        self.negative_counts = np.sort(negatives.above.T)
        false_masks = np.count_nonzero(self.negative_counts, axis=1)
        self.without_min_area = self.gain.sum(axis=1) - false_masks

    def highest(self, top: int, bottoms: slice, has_min_area: bool) -> np.ndarray:
        """Return the highest score over all minimum areas, for some bottom levels together.

        The best area is the count of a positive image, or keeps all images, or none: one more
        negative image only costs.
        """
        sums = self.without_min_area[bottoms]
        if has_min_area:
            counts, order = self._passing_positives(top)
            gained = np.cumsum(np.take(self.gain[bottoms], order, axis=1), axis=1)
            gained -= _count_reaching(counts, self.negative_counts[top])
            sums = np.maximum(sums, gained.max(axis=1, initial=0))
        return self._score(sums)

    def curve(self, top: int, bottom: int, has_min_area: bool) -> AreaCurve:
        """Return the score over every minimum area."""
        sums = self.without_min_area[bottom : bottom + 1]
        if not has_min_area:
            no_area = np.zeros(1, np.int64)
            return AreaCurve(no_area, no_area, self._score(sums))
        counts, order = self._passing_positives(top)
        negative = self.negative_counts[top]
        cuts = np.unique(np.concatenate([counts, negative[negative > 0]]))
        lowest = np.concatenate([[0, 1], cuts + 1])
        highest = np.concatenate([[0], cuts, lowest[-1:]])
        gained = np.append(0, np.cumsum(self.gain[bottom, order]))
        kept = gained[_count_reaching(lowest[1:], counts[::-1])]
        kept = kept - _count_reaching(lowest[1:], negative)
        return AreaCurve(lowest, highest, self._score(np.append(sums, kept)))

    def _passing_positives(self, top: int) -> tuple[np.ndarray, np.ndarray]:
        """Return counts above a level, highest first, and the indices of these images."""
        counts = self.positive_counts[top]
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        return counts[order], order

    def _score(self, gained: np.ndarray) -> np.ndarray:
        return self.all_empty + gained / self.n_images


def _count_reaching(limits: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Return how many of some ascending numbers reach each limit."""
    return len(ascending) - np.searchsorted(ascending, limits)
