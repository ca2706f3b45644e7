"""The triplet with a minimum area for each component, and holes filled or not.

Exact: the thresholds and the gate's area, as in `search`; and given these, the best of all
component areas with and without filling. Every image changes its mask at the areas of its own
components only, so all images' changes in Dice, sorted by area and summed up, are the score at
every area. Conditional: the bottom level is one of the CANDIDATES whose best triplets score highest
without components, and its top and area are those of that triplet.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from lib import metrics
from lib.decision.components import ComponentIntervals
from lib.decision.fits import RuleSearch
from lib.decision.oof_sample import OofSample
from lib.decision.plateau import around_best, middle_area
from lib.decision.rules import levels
from lib.decision.threshold_search import TIE, AreaCurve, Surface
from lib.recipes.schema import Rule

CANDIDATES = 8


class ComponentSearch(RuleSearch):
    """The preset `components`."""

    @cached_property
    def best(self) -> Rule:
        """The best of all component areas of all candidates; of equal ones the first."""
        triplets = candidates(self.plateau.surface)
        assert self.sample.shapes
        self.sample.shapes.label({levels(rule)[1]: _masked(self.sample, rule) for rule in triplets})
        found = [best_area(self.sample, rule) for rule in triplets]
        highest = max(score for score, _ in found)
        return next(rule for score, rule in found if score >= highest - TIE)

    @cached_property
    def middle(self) -> Rule:
        """The plateau's middle, with the middle of the component areas that it cannot tell apart.

        These score within one standard error of the best at this triplet, and of the plateau's.
        Without a component area where none gains anything.
        """
        triplet = self.plateau.middle
        score, rule = best_area(self.sample, triplet)
        if rule.component_min_area == 0:
            return rule
        curve = area_curve(self.sample, triplet, rule.fill_holes)
        floor = max(self.plateau.floor, score - self.plateau.standard_error - TIE)
        return replace(rule, component_min_area=middle_area(*around_best(curve, floor)))


def candidates(surface: Surface) -> list[Rule]:
    """The best triplet of each of the bottom levels that score highest, the best first."""
    best = surface.score.max(axis=0)
    bottoms = np.argsort(-best, kind="stable")[:CANDIDATES]
    tops = np.argmax(surface.score >= best - TIE, axis=0)
    return [surface.rule(int(tops[b]), int(b)) for b in bottoms]


def best_area(sample: OofSample, triplet: Rule) -> tuple[float, Rule]:
    """The best component area of a triplet, filled or not.

    Returns:
        The score, and the rule; of equal ones the unfilled, then the smallest area.
    """
    found = []
    for fill in (False, True):
        curve = area_curve(sample, triplet, fill)
        score = curve.score[:, 0]
        step = int(np.argmax(score >= score.max() - TIE))
        area = int(curve.lowest[step])
        rule = replace(triplet, component_min_area=area, fill_holes=fill)
        found.append((float(score[step]), rule))
    return found[1] if found[1][0] > found[0][0] + TIE else found[0]


def area_curve(sample: OofSample, triplet: Rule, fill_holes: bool) -> AreaCurve:
    """The score of a triplet over every minimum area of components.

    Args:
        sample: of N images, with shapes.
        triplet: thresholds and `min_area`.
        fill_holes: whether holes are filled after components are removed.
    """
    assert sample.shapes
    predicted, truth, _ = sample.histograms.areas(triplet)
    masked = np.flatnonzero(predicted)
    names = sample.histograms.ids[masked]
    spans = sample.shapes.spans(levels(triplet)[1], names, fill_holes)
    lowest, gained = _gains(spans, truth[masked])
    score = metrics.dice(0, truth, 0).mean() + gained / len(sample)
    highest = np.append(lowest[1:] - 1, lowest[-1])
    return AreaCurve(lowest, highest, score[:, None])


def _gains(spans: ComponentIntervals, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What all masks together gain over empty ones, in steps over the minimum area.

    Args:
        spans: of the masks of n images.
        truth: (n,) the area of each truth, in pixels.

    Returns:
        The area from which each step holds, the first 0, and the sum of gains, (K,) each.
    """
    image, area = np.tile(spans.image, 2), np.concatenate([spans.after, spans.upto]) + 1
    order = np.lexsort((area, image))
    image, area = image[order], area[order]
    # Each span comes and goes again, so that sums over all images begin at 0 for every image.
    predicted, overlap = (
        np.cumsum(np.concatenate([pixels, -pixels])[order], dtype=np.int64)
        for pixels in (spans.pixels, spans.inside)
    )
    last = np.append((np.diff(image) != 0) | (np.diff(area) != 0), True)[: len(area)]
    truth = truth[image[last]]
    gain = metrics.dice(predicted[last], truth, overlap[last]) - metrics.dice(0, truth, 0)
    steps, where = np.unique(area[last], return_inverse=True)
    gained = np.cumsum(np.bincount(where, np.diff(gain, prepend=0), len(steps)))
    if not len(steps):
        return np.zeros(1, np.int64), np.zeros(1)
    return np.append(0, steps[1:]), gained  # the first is 1, which is no limit either


def _masked(sample: OofSample, rule: Rule) -> np.ndarray:
    """The images that a triplet leaves a mask."""
    return sample.histograms.ids[sample.histograms.areas(rule)[0] > 0]
