"""What a preset makes of a sample: the best rule, and the middle of what cannot be told from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lib.decision import expected_dice
from lib.decision.deciders import Decider
from lib.decision.oof_sample import OofSample
from lib.decision.plateau import Plateau, find_plateau
from lib.decision.threshold_search import Preset, search
from lib.recipes.schema import Rule


@dataclass(frozen=True)
class RuleSearch:
    """A preset that histograms answer; `components`, `gated` and `expected` have their own.

    Attributes:
        classes: (N,) p(positive) of each image, for a class gate.
    """

    sample: OofSample
    preset: Preset
    classes: np.ndarray | None = None

    @cached_property
    def plateau(self) -> Plateau:
        """Around the best of what histograms answer."""
        surface = search(self.sample.histograms, self.preset)
        return find_plateau(surface, self.sample.patients)

    @cached_property
    def best(self) -> Rule:
        """The best rule that was found."""
        return self.plateau.surface.best

    @cached_property
    def middle(self) -> Rule:
        """The rule in the middle of the plateau."""
        return self.plateau.middle

    def rule(self, choose: str | None) -> Decider:
        """One of the two: choose "best" or "plateau"."""
        return self.best if choose == "best" else self.middle


class ExpectedDiceSearch(RuleSearch):
    """The preset `expected`; its best and its middle are those of the triplets, to compare."""

    def rule(self, choose: str | None) -> Decider:
        """Calibrate; there is nothing to choose."""
        return expected_dice.fit(self.sample.histograms, self.classes)
