"""The triplet behind a gate on the image probability, `class_min`.

Exact: the best of all class gates with all bottom levels alone, by sorting images by probability as
`search` sorts them by area; the best of all class gates for a given triplet; the best of all
triplets for a given class gate. Conditional: all three thresholds and the area together, by taking
the last two in turn until neither gains. That begins twice, once without a class gate and once at
the best one of a bottom level alone, and the better end counts: the best in its row and its column,
which a better one far from both could still beat.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from lib import metrics
from lib.decision.fits import RuleSearch
from lib.decision.histograms import Histograms
from lib.decision.plateau import Plateau, around_best, find_plateau
from lib.decision.threshold_search import TIE, AreaCurve, Surface, search
from lib.recipes.schema import Rule


class GateSearch(RuleSearch):
    """The preset `gated`."""

    @cached_property
    def _found(self) -> tuple[float, Surface]:
        """The best class gate, and the triplets behind it."""
        histograms, classes = self.sample.histograms, self._classes
        alone = best_gate(class_curves(histograms.gain, histograms, classes))
        ends = [self._alternate(start) for start in dict.fromkeys([0.0, alone])]
        highest = max(surface.score.max() for _, surface in ends)
        return next(end for end in ends if end[1].score.max() >= highest - TIE)

    @property
    def _classes(self) -> np.ndarray:
        assert self.classes is not None
        return self.classes

    @cached_property
    def plateau(self) -> Plateau:
        """Of the triplets behind the best class gate."""
        return find_plateau(self._found[1], self.sample.patients)

    @cached_property
    def best(self) -> Rule:
        class_min, surface = self._found
        return replace(surface.best, class_min=class_min)

    @cached_property
    def middle(self) -> Rule:
        """The plateau's middle, with the middle of the class gates that it cannot tell apart.

        These score within one standard error of the best for this triplet, and of the plateau's.
        Without a class gate where none gains anything.
        """
        triplet = self.plateau.middle
        curve = self._curve(triplet)
        if best_gate(curve) == 0:
            return replace(triplet, class_min=0.0)
        best = float(curve.score.max())
        floor = max(self.plateau.floor, best - self.plateau.standard_error - TIE)
        return replace(triplet, class_min=sum(around_best(curve, floor)) / 2)

    def _alternate(self, class_min: float) -> tuple[float, Surface]:
        """Take the best triplet and the best class gate in turn, until neither gains."""
        while True:
            passing = self._classes >= class_min
            surface = search(self.sample.histograms, self.preset, passing)
            curve = self._curve(surface.best)
            if curve.score.max() <= surface.score.max() + TIE:
                return class_min, surface
            class_min = best_gate(curve)

    def _curve(self, triplet: Rule) -> AreaCurve:
        histograms = self.sample.histograms
        gain = histograms.dice(triplet) - metrics.dice(0, histograms.truth, 0)
        return class_curves(gain[:, None], histograms, self._classes)


def class_curves(gain: np.ndarray, histograms: Histograms, classes: np.ndarray) -> AreaCurve:
    """The score over every class gate.

    Args:
        gain: (N, B) what each image gains by each of B masks.
        histograms: of the N images.
        classes: (N,) p(positive).

    Returns:
        Steps of `class_min`: above `lowest` and up to `highest`, (K,) each, and (K, B) scores.
    """
    order = np.argsort(-classes, kind="stable")
    last = np.flatnonzero(np.diff(classes[order], append=-1))[::-1]  # of each probability
    highest = classes[order][last]
    empty = metrics.dice(0, histograms.truth, 0).mean()
    score = empty + np.cumsum(gain[order], axis=0)[last] / len(gain)
    return AreaCurve(np.append(0, highest[:-1]), highest, score)


def best_gate(curves: AreaCurve) -> float:
    """The lowest class gate of the highest score; 0, no gate, if every image passes."""
    score = curves.score.max(axis=1)
    step = int(np.argmax(score >= score.max() - TIE))
    return float(curves.highest[step]) if step else 0.0
