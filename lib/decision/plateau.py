"""The plateau of a searched surface, and the rule to take from it.

The best score of a sample is partly luck, and a slightly different rule may score much worse. The
plateau holds the pairs of levels within one standard error of the best score. The pair deepest
inside it may be wrong by most and still be on the plateau.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from lib.bootstrap import standard_error
from lib.decision.histograms import Gate, OofSample
from lib.decision.rules import LEVELS, ThresholdRule
from lib.decision.threshold_search import TIE, AreaCurve, Preset, Surface, first_best, search


@dataclass(frozen=True)
class Plateau:
    """The pairs of levels within one standard error of the best score.

    Attributes:
        surface: the searched surface.
        standard_error: of the gain of the best rule over the all-empty baseline.
    """

    surface: Surface
    standard_error: float

    @property
    def floor(self) -> float:
        """The lowest score that belongs to the plateau."""
        return float(self.surface.score.max()) - self.standard_error - TIE

    @cached_property
    def inside(self) -> np.ndarray:
        """(255, 255) bool by top and bottom: True if the best area of a pair reaches the floor."""
        return self.surface.score >= self.floor

    @cached_property
    def depth(self) -> np.ndarray:
        """(255, 255) Chebyshev distance in levels to the nearest pair outside, 0 for those.

        Pairs that no rule has (bottom above top, levels beyond 0..254) are outside. With one
        threshold the distance is along the line of its levels.
        """
        if self.surface.preset.one_threshold:
            return np.diag(_distance_to_outside(self.inside.diagonal()))
        return _distance_to_outside(self.inside)

    @cached_property
    def pair(self) -> tuple[int, int]:
        """Top and bottom level of the deepest pair; of equally deep ones that of highest score."""
        deepest = np.where(self.depth == self.depth.max(), self.surface.score, -np.inf)
        return divmod(first_best(deepest), LEVELS)

    @cached_property
    def areas(self) -> tuple[int, int]:
        """The lowest and highest minimum area around the pair's best that reach the floor."""
        return self.range_around_best(self.surface.curve(*self.pair))

    @cached_property
    def middle(self) -> ThresholdRule:
        """The deepest pair with the geometric middle of its areas."""
        return ThresholdRule.from_levels(*self.pair, min_area=middle_area(*self.areas))

    def range_around_best(self, curve: AreaCurve) -> tuple[Any, Any]:
        """Return the values around the best one, without a gap, whose scores are as good.

        As good is within one standard error of the curve's best and of the plateau's.
        """
        best = int(np.argmax(curve.score))
        floor = max(self.floor, curve.score[best] - self.standard_error - TIE)
        below = np.flatnonzero(curve.score < floor)
        first = int(below[below < best].max(initial=-1)) + 1
        last = int(below[below > best].min(initial=len(curve.score))) - 1
        return curve.lowest[first].item(), curve.highest[last].item()


def find_plateau(surface: Surface, patients: np.ndarray) -> Plateau:
    """Find the pairs within one standard error of the best.

    It is the standard error of the gain over the all-empty baseline. All rules share the score of
    the empty images, so their number must not matter. With the error of the score itself, a sample
    of a hundred images would have an all-empty rule on its plateau.

    Args:
        surface: of N images.
        patients: (N,) patient of each image; images of one patient are not independent.
    """
    histograms = surface.histograms
    gain = surface.best.histogram_dice(histograms) - histograms.all_empty_dice
    if surface.passing is not None:
        gain *= surface.passing
    return Plateau(surface, standard_error(gain, patients))


@dataclass(frozen=True)
class RuleSearch:
    """The search of a preset for which histograms are enough: best rule, and plateau's middle.

    The extensions of presets (components, gate) are subclasses.

    Attributes:
        sample: labelled images.
        preset: the family of rules.
        gate: turns features into p(positive); None if the sample has no features.
    """

    sample: OofSample
    preset: Preset
    gate: Gate | None = None

    @cached_property
    def p_positive(self) -> np.ndarray | None:
        """(N,) p(positive) of each image; None without a gate."""
        return self.sample.p_positive(self.gate)

    @cached_property
    def plateau(self) -> Plateau:
        """The plateau of the rules that histograms can score: thresholds and minimum area."""
        surface = search(self.sample.histograms, self.preset)
        return find_plateau(surface, self.sample.patients)

    @cached_property
    def best(self) -> ThresholdRule:
        """The rule of the highest score."""
        return self.plateau.surface.best

    @cached_property
    def middle(self) -> ThresholdRule:
        """The rule in the middle of the plateau."""
        return self.plateau.middle

    def rule(self, choose: str | None) -> ThresholdRule | None:
        """Return the best rule ("best") or the middle of the plateau; None if none is chosen."""
        if choose is None:
            return None
        return self.best if choose == "best" else self.middle


def middle_area(lowest: int, highest: int) -> int:
    """Return the geometric mean of two areas; a lowest area of 0 counts as 1, any pixel."""
    return round((max(lowest, 1) * highest) ** 0.5)


def _distance_to_outside(inside: np.ndarray) -> np.ndarray:
    padded = np.pad(inside, 1)
    distance = ndimage.distance_transform_cdt(padded, metric="chessboard")
    return distance[(slice(1, -1),) * inside.ndim]
