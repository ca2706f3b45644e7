"""What a fitted rule is worth on images that it was not fitted on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.decision.components import ComponentFit
from lib.decision.deciders import Decider
from lib.decision.fits import ExpectedFit, Fit
from lib.decision.gated import GatedFit
from lib.decision.sample import Sample
from lib.decision.search import Preset
from lib.recipes.schema import Rule

FITS = {None: Fit, "components": ComponentFit, "class": GatedFit, "expected": ExpectedFit}
Gate = Callable[[np.ndarray], np.ndarray]  # (N, G) features to (N,) p(positive)
GateFit = Callable[[np.ndarray, np.ndarray], Gate]  # features and (N,) whether positive


def only_column(features: np.ndarray, positive: np.ndarray) -> Gate:
    """The gate where nothing is fitted: one column that is p(positive) already."""
    assert features.shape[1] == 1
    return lambda features: features[:, 0]


@dataclass(frozen=True)
class Fitted:
    """All that was fitted on truth.

    Attributes:
        rule: thresholds and areas, or the tables of the expected Dice.
        gate: what makes p(positive) of features; None where the sample has none.
    """

    rule: Decider
    gate: Gate | None = None

    def classes(self, sample: Sample) -> np.ndarray | None:
        """(N,) p(positive) of each image, if there are features."""
        if sample.features is None or self.gate is None:
            return None
        return self.gate(sample.features)

    def areas(self, sample: Sample) -> tuple[np.ndarray, ...]:
        """|P|, |T| and |P and T| of every image, each (N,) in pixels."""
        return sample.areas(self.rule, self.classes(sample))

    def dice(self, sample: Sample) -> np.ndarray:
        """(N,) Dice of every image."""
        return sample.dice(self.rule, self.classes(sample))


@dataclass(frozen=True)
class Honest:
    """Every image scored at what was fitted without its fold.

    Attributes:
        fitted: by fold, what the other folds chose.
        dice: (N,) Dice of each image, pooled over the folds.
    """

    fitted: dict[int, Fitted]
    dice: np.ndarray

    @property
    def rules(self) -> dict[int, Decider]:
        """By fold, the rule that the other folds chose."""
        return {fold: one.rule for fold, one in self.fitted.items()}


def learn_gate(sample: Sample, fit_gate: GateFit) -> Gate | None:
    """Fit a gate to a sample's features; None if it has none."""
    if sample.features is None:
        return None
    return fit_gate(sample.features, sample.histograms.positive)


def explore(sample: Sample, preset: Preset, gate: Gate | None) -> Fit:
    """Search a preset, behind a gate if there is one."""
    classes = None if sample.features is None or gate is None else gate(sample.features)
    return FITS[preset.extra](sample, preset, classes)


def fit(
    sample: Sample, preset: Preset | Rule, choose: str | None, fit_gate: GateFit = only_column
) -> Fitted:
    """What a sample chooses.

    Args:
        sample: labelled images.
        preset: what is searched; a rule is taken as it is, and only its gate is fitted.
        choose: "plateau" for the middle of the plateau, or "best"; None with a rule.
        fit_gate: how features become p(positive).
    """
    gate = learn_gate(sample, fit_gate)
    if isinstance(preset, Rule):
        return Fitted(preset, gate)
    return Fitted(explore(sample, preset, gate).rule(choose), gate)


def refit(
    sample: Sample, preset: Preset | Rule, choose: str | None, fit_gate: GateFit = only_column
) -> Honest:
    """Fit as `fit` does on all folds but one, score that one, and so for every fold.

    Args:
        sample: of two folds or more.
        preset, choose, fit_gate: as for the rule whose worth is asked for.
    """
    folds = np.unique(sample.folds)
    assert len(folds) > 1, "nothing to fit on"
    fitted, dice = {}, np.empty(len(sample))
    for fold in folds:
        held, seen = sample.folds == fold, sample.without(int(fold))
        fitted[int(fold)] = fit(seen[~held], preset, choose, fit_gate)
        dice[held] = fitted[int(fold)].dice(seen[held])
    return Honest(fitted, dice)
