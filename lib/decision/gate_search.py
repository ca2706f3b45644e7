"""Search of the preset `gated`: the triplet behind a gate on p(positive), `class_min`.

Exact: the best of all class gates with all bottom levels alone, by sorting images by probability as
`threshold_search` sorts them by area; the best of all class gates for a given triplet; the best of
all triplets for a given class gate. Conditional: all of them together. The gate and the triplet are
improved in turn until nothing improves, from two starts: without a class gate, and at the best gate
of a bottom level alone. The better end is taken. It cannot be improved by changing only the gate or
only the triplet; a better pair of both would be missed.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from lib.decision.histograms import Histograms
from lib.decision.plateau import Plateau, RuleSearch, find_plateau
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import TIE, AreaCurve, Surface, first_best, search


class GateSearch(RuleSearch):
    """Search of the preset `gated`."""

    @cached_property
    def plateau(self) -> Plateau:
        """The plateau of the triplets behind the best class gate."""
        _, surface = self._best_gate_and_surface
        return find_plateau(surface, self.sample.patients)

    @cached_property
    def best(self) -> ThresholdRule:
        class_min, surface = self._best_gate_and_surface
        return replace(surface.best, class_min=class_min)

    @cached_property
    def middle(self) -> ThresholdRule:
        """The plateau's middle, with the middle of the class gates that score as well.

        The gate is 0, which keeps every image, if none improves the score.
        """
        triplet = self.plateau.middle
        curve = self._gate_curve(triplet)
        if best_gate(curve) == 0:
            return replace(triplet, class_min=0.0)
        return replace(triplet, class_min=sum(self.plateau.range_around_best(curve)) / 2)

    @cached_property
    def _best_gate_and_surface(self) -> tuple[float, Surface]:
        """The best class gate, and the searched triplets behind it."""
        assert self.p_positive is not None
        histograms = self.sample.histograms
        gate = best_gate(gate_curve(histograms.gain, histograms, self.p_positive))
        ends = [self._alternate(start) for start in dict.fromkeys([0.0, gate])]
        return ends[first_best([surface.score.max() for _, surface in ends])]

    def _alternate(self, class_min: float) -> tuple[float, Surface]:
        """Take the best triplet and the best class gate in turn, until neither gains."""
        assert self.p_positive is not None
        while True:
            passing = self.p_positive >= class_min
            surface = search(self.sample.histograms, self.preset, passing)
            curve = self._gate_curve(surface.best)
            if curve.score.max() <= surface.score.max() + TIE:
                return class_min, surface
            class_min = best_gate(curve)

    def _gate_curve(self, triplet: ThresholdRule) -> AreaCurve:
        assert self.p_positive is not None
        histograms = self.sample.histograms
        gain = triplet.histogram_dice(histograms) - histograms.all_empty_dice
        return gate_curve(gain[:, None], histograms, self.p_positive)


def gate_curve(gain: np.ndarray, histograms: Histograms, p_positive: np.ndarray) -> AreaCurve:
    """Return the score over every class gate.

    Args:
        gain: (N, B) gain of each image by each of B rules.
        histograms: of the N images.
        p_positive: (N,) p(positive) of each image.

    Returns:
        Steps of `class_min`: above `lowest` and up to `highest`; scores of the best of the B rules.
    """
    order = np.argsort(-p_positive, kind="stable")
    last = np.flatnonzero(np.diff(p_positive[order], append=-1))[::-1]  # of each probability
    highest = p_positive[order][last]
    all_empty = histograms.all_empty_dice.mean()
    score = all_empty + np.cumsum(gain[order], axis=0)[last] / len(gain)
    return AreaCurve(np.append(0, highest[:-1]), highest, score.max(axis=1))


def best_gate(curve: AreaCurve) -> float:
    """Return the lowest class gate of the highest score; 0, no gate, if every image passes."""
    step = first_best(curve.score)
    return float(curve.highest[step]) if step else 0.0
