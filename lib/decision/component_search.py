"""Search of the preset `components`: the triplet with component areas, and holes filled or not.

Exact: the thresholds and the minimum area, as in `threshold_search`; then, for given thresholds,
every component area, with and without filled holes. The mask of an image changes only at the areas
of its own components. All changes in Dice, sorted by area and summed up, are the score at every
area. Conditional: only the CANDIDATES bottom levels with the best triplets are tried, each with the
top and minimum area of its triplet.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from lib import metrics
from lib.decision.components import ComponentIntervals
from lib.decision.histograms import OofSample
from lib.decision.plateau import RuleSearch, middle_area
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import TIE, AreaCurve, Surface, first_best

CANDIDATES = 8


class ComponentSearch(RuleSearch):
    """Search of the preset `components`."""

    @cached_property
    def best(self) -> ThresholdRule:
        """The best of all component areas of all candidates; of equal ones the first."""
        triplets, histograms = candidates(self.plateau.surface), self.sample.histograms
        predicted = {rule.levels[1]: rule.histogram_areas(histograms)[0] for rule in triplets}
        assert self.sample.components
        self.sample.components.label({b: histograms.ids[p > 0] for b, p in predicted.items()})
        scored = [best_area(self.sample, rule) for rule in triplets]
        return scored[first_best([score for score, _ in scored])][1]

    @cached_property
    def middle(self) -> ThresholdRule:
        """The plateau's middle, with the middle of the component areas that score as well.

        Without a component area where none gains anything.
        """
        triplet = self.plateau.middle
        _, rule = best_area(self.sample, triplet)
        if rule.component_min_area == 0:
            return rule
        curve = area_curve(self.sample, triplet, rule.fill_holes)
        areas = self.plateau.range_around_best(curve)
        return replace(rule, component_min_area=middle_area(*areas))


def candidates(surface: Surface) -> list[ThresholdRule]:
    """Return the best triplet of each of the bottom levels that score highest, the best first."""
    best = surface.score.max(axis=0)
    bottoms = np.argsort(-best, kind="stable")[:CANDIDATES]
    tops = np.argmax(surface.score >= best - TIE, axis=0)
    return [surface.rule(int(tops[b]), int(b)) for b in bottoms]


def best_area(sample: OofSample, triplet: ThresholdRule) -> tuple[float, ThresholdRule]:
    """Find the best component area of a triplet, with holes filled or not.

    Returns:
        The score and the rule; of equal ones the unfilled, then the smallest area.
    """
    scored = []
    for fill_holes in (False, True):
        curve = area_curve(sample, triplet, fill_holes)
        step = first_best(curve.score)
        area = int(curve.lowest[step])
        rule = replace(triplet, component_min_area=area, fill_holes=fill_holes)
        scored.append((curve.score[step], rule))
    return scored[first_best([score for score, _ in scored])]


def area_curve(sample: OofSample, triplet: ThresholdRule, fill_holes: bool) -> AreaCurve:
    """Return the score of a triplet over every minimum area of components.

    Args:
        sample: N images, with components.
        triplet: thresholds and `min_area`.
        fill_holes: True if holes are filled after components are removed.
    """
    assert sample.components
    histograms = sample.histograms
    predicted, truth, _ = triplet.histogram_areas(histograms)
    masked = np.flatnonzero(predicted)
    _, bottom = triplet.levels
    intervals = sample.components.intervals(bottom, histograms.ids[masked], fill_holes)
    lowest, gained = _gains_by_area(intervals, truth[masked])
    score = histograms.all_empty_dice.mean() + gained / len(sample)
    highest = np.append(lowest[1:] - 1, lowest[-1])
    return AreaCurve(lowest, highest, score)


def _gains_by_area(
    intervals: ComponentIntervals, truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum the gains of all masks over empty masks, in steps over the minimum area.

    Args:
        intervals: components of the masks of n images.
        truth: (n,) area of each truth, in pixels.

    Returns:
        The area from which each step holds, the first 0, and the sum of gains, (K,) each.
    """
    image = np.tile(intervals.image, 2)
    area = np.concatenate([intervals.after, intervals.upto]) + 1
    order = np.lexsort((area, image))
    image, area = image[order], area[order]
    # Each interval begins and ends, so that the running sums are 0 again at the next image.
    predicted, overlap = (
        np.cumsum(np.concatenate([pixels, -pixels])[order], dtype=np.int64)
        for pixels in (intervals.pixels, intervals.inside)
    )
    last = np.append((np.diff(image) != 0) | (np.diff(area) != 0), True)[: len(area)]
    truth = truth[image[last]]
    gain = metrics.dice(predicted[last], truth, overlap[last]) - metrics.dice(0, truth, 0)
    steps, step_of = np.unique(area[last], return_inverse=True)
    gained = np.cumsum(np.bincount(step_of, np.diff(gain, prepend=0), len(steps)))
    if not len(steps):
        return np.zeros(1, np.int64), np.zeros(1)
    return np.append(0, steps[1:]), gained  # the first step is 1, which removes nothing, as 0
