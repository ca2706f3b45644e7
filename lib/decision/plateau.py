"""Which rule of a searched surface to take: its peak, or the middle of its plateau.

The peak of a finite sample sits wherever noise lifted it, often on a cliff. Pairs within one
standard error of it cannot be told from it, and the one deepest inside them can lose least.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from lib import metrics
from lib.bootstrap import standard_error
from lib.decision.rules import from_levels
from lib.decision.threshold_search import TIE, AreaCurve, Surface
from lib.recipes.schema import Rule


@dataclass(frozen=True)
class Plateau:
    """The pairs that cannot be told from the best, and what lies in their middle.

    Attributes:
        surface: what was searched.
        standard_error: of what the best rule gains over an empty answer.
    """

    surface: Surface
    standard_error: float

    @property
    def floor(self) -> float:
        """The lowest score that belongs to the plateau."""
        return float(self.surface.score.max()) - self.standard_error - TIE

    @cached_property
    def inside(self) -> np.ndarray:
        """(255, 255) bool by top and bottom: whether a pair's best area reaches the floor."""
        return self.surface.score >= self.floor

    @cached_property
    def depth(self) -> np.ndarray:
        """(255, 255) Chebyshev distance in levels to the nearest pair outside, 0 for those.

        Pairs that no rule has (bottom above top, levels beyond 0..254) are outside. With one
        threshold the distance is along the line of its levels.
        """
        if self.surface.preset.one_threshold:
            return np.diag(_depth(self.inside.diagonal()))
        return _depth(self.inside)

    @cached_property
    def pair(self) -> tuple[int, int]:
        """Top and bottom level of the deepest pair; of equally deep ones that of highest score."""
        deepest = np.where(self.depth == self.depth.max(), self.surface.score, -np.inf)
        tops, bottoms = np.nonzero(deepest >= deepest.max() - TIE)
        return int(tops[0]), int(bottoms[0])

    @cached_property
    def areas(self) -> tuple[int, int]:
        """The lowest and highest minimum area around the pair's best that reach the floor."""
        return around_best(self.surface.curve(*self.pair), self.floor)

    @cached_property
    def middle(self) -> Rule:
        """The deepest pair with the geometric middle of its areas."""
        return from_levels(*self.pair, min_area=middle_area(*self.areas))


def find_plateau(surface: Surface, patients: np.ndarray) -> Plateau:
    """Find what lies within one standard error of the best.

    It is the error of the gain over an all-empty answer: every rule shares what that answer scores,
    so how many images happen to be empty says nothing about which rule is better. With the error of
    the score itself, a hundred images would put an all-empty rule on the plateau.

    Args:
        surface: of N images.
        patients: (N,) the patient of each, as the images of one are not independent.
    """
    histograms = surface.histograms
    gain = histograms.dice(surface.best) - metrics.dice(0, histograms.truth, 0)
    if surface.passing is not None:
        gain *= surface.passing
    return Plateau(surface, standard_error(gain, patients))


def around_best(curve: AreaCurve, floor: float) -> tuple[Any, Any]:
    """The unbroken range that holds the best of a curve and stays on the floor or above.

    Args:
        curve: of one column.
        floor: at most the best score.
    """
    score = curve.score[:, 0]
    best = int(np.argmax(score))
    below = np.flatnonzero(score < floor)
    first = int(below[below < best].max(initial=-1)) + 1
    last = int(below[below > best].min(initial=len(score))) - 1
    return curve.lowest[first].item(), curve.highest[last].item()


def middle_area(lowest: int, highest: int) -> int:
    """The geometric middle of two areas; 0 counts as 1, any pixel."""
    return round((max(lowest, 1) * highest) ** 0.5)


def _depth(inside: np.ndarray) -> np.ndarray:
    padded = np.pad(inside, 1)
    distance = ndimage.distance_transform_cdt(padded, metric="chessboard")
    return distance[(slice(1, -1),) * inside.ndim]
