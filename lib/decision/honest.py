"""What a fitted rule is worth on images that it was not fitted on."""

from dataclasses import dataclass

import numpy as np

from lib.decision.choice import find_plateau
from lib.decision.histograms import Histograms
from lib.decision.search import Preset, search
from lib.recipes.schema import Rule


@dataclass(frozen=True)
class Sample:
    """Labelled images to fit rules on.

    Attributes:
        histograms: of N images.
        folds: (N,) int, the fold of each, whose network did not see it.
        patients: (N,) the patient of each.
    """

    histograms: Histograms
    folds: np.ndarray
    patients: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> "Sample":
        """Some of the images, by index or bool."""
        return Sample(self.histograms[chosen], self.folds[chosen], self.patients[chosen])

    def by_fold(self) -> dict[int, "Sample"]:
        """The images of each fold."""
        return {int(fold): self[self.folds == fold] for fold in np.unique(self.folds)}


@dataclass(frozen=True)
class Honest:
    """Every image scored at a rule that was fitted without its fold.

    Attributes:
        rules: by fold, the rule that the other folds chose.
        dice: (N,) Dice of each image, pooled over the folds.
    """

    rules: dict[int, Rule]
    dice: np.ndarray


def fit(sample: Sample, preset: Preset, choose: str) -> Rule:
    """The rule that a sample chooses: the middle of its plateau, or its best."""
    surface = search(sample.histograms, preset)
    if choose == "best":
        return surface.best
    return find_plateau(surface, sample.patients).middle


def refit(sample: Sample, preset: Preset, choose: str) -> Honest:
    """Fit as `fit` does on all folds but one, score that one, and so for every fold.

    Args:
        sample: of two folds or more.
        preset, choose: as for the rule whose worth is asked for.
    """
    folds = np.unique(sample.folds)
    assert len(folds) > 1, "nothing to fit on"
    rules, dice = {}, np.empty(len(sample.folds))
    for fold in folds:
        held = sample.folds == fold
        rules[int(fold)] = fit(sample[~held], preset, choose)
        dice[held] = sample.histograms[held].dice(rules[int(fold)])
    return Honest(rules, dice)
