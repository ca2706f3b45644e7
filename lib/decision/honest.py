"""What a fitted rule is worth on images that it was not fitted on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.decision.component_search import ComponentSearch
from lib.decision.deciders import Decider
from lib.decision.fits import ExpectedDiceSearch, RuleSearch
from lib.decision.gate_search import GateSearch
from lib.decision.oof_sample import OofSample
from lib.decision.threshold_search import Preset
from lib.recipes.schema import Rule

FITS = {
    None: RuleSearch,
    "components": ComponentSearch,
    "class": GateSearch,
    "expected": ExpectedDiceSearch,
}
Gate = Callable[[np.ndarray], np.ndarray]  # (N, G) features to (N,) p(positive)
GateFit = Callable[[np.ndarray, np.ndarray], Gate]  # features and (N,) whether positive


def identity_gate(features: np.ndarray, positive: np.ndarray) -> Gate:
    """The gate where nothing is fitted: one column that is p(positive) already."""
    assert features.shape[1] == 1
    return lambda features: features[:, 0]


@dataclass(frozen=True)
class FittedRule:
    """All that was fitted on truth.

    Attributes:
        rule: thresholds and areas, or the tables of the expected Dice.
        gate: what makes p(positive) of features; None where the sample has none.
    """

    rule: Decider
    gate: Gate | None = None

    def classes(self, sample: OofSample) -> np.ndarray | None:
        """(N,) p(positive) of each image, if there are features."""
        if sample.features is None or self.gate is None:
            return None
        return self.gate(sample.features)

    def areas(self, sample: OofSample) -> tuple[np.ndarray, ...]:
        """|P|, |T| and |P and T| of every image, each (N,) in pixels."""
        return sample.areas(self.rule, self.classes(sample))

    def dice(self, sample: OofSample) -> np.ndarray:
        """(N,) Dice of every image."""
        return sample.dice(self.rule, self.classes(sample))


@dataclass(frozen=True)
class CrossFit:
    """Every image scored at what was fitted without its fold.

    Attributes:
        fitted: by fold, what the other folds chose.
        dice: (N,) Dice of each image, pooled over the folds.
    """

    fitted: dict[int, FittedRule]
    dice: np.ndarray

    @property
    def rules(self) -> dict[int, Decider]:
        """By fold, the rule that the other folds chose."""
        return {fold: one.rule for fold, one in self.fitted.items()}


def fit_gate(sample: OofSample, combine: GateFit) -> Gate | None:
    """Fit a gate to a sample's features; None if it has none."""
    if sample.features is None:
        return None
    return combine(sample.features, sample.histograms.positive)


def search_preset(sample: OofSample, preset: Preset, gate: Gate | None) -> RuleSearch:
    """Search a preset, behind a gate if there is one."""
    classes = None if sample.features is None or gate is None else gate(sample.features)
    return FITS[preset.extension](sample, preset, classes)


def fit(
    sample: OofSample, preset: Preset | Rule, choose: str | None, combine: GateFit = identity_gate
) -> FittedRule:
    """What a sample chooses.

    Args:
        sample: labelled images.
        preset: what is searched; a rule is taken as it is, and only its gate is fitted.
        choose: "plateau" for the middle of the plateau, or "best"; None with a rule.
        combine: how features become p(positive).
    """
    gate = fit_gate(sample, combine)
    if isinstance(preset, Rule):
        return FittedRule(preset, gate)
    return FittedRule(search_preset(sample, preset, gate).rule(choose), gate)


def cross_fit(
    sample: OofSample, preset: Preset | Rule, choose: str | None, combine: GateFit = identity_gate
) -> CrossFit:
    """Fit as `fit` does on all folds but one, score that one, and so for every fold.

    Args:
        sample: of two folds or more.
        preset, choose, combine: as for the rule whose worth is asked for.
    """
    folds = np.unique(sample.folds)
    assert len(folds) > 1, "nothing to fit on"
    fitted, dice = {}, np.empty(len(sample))
    for fold in folds:
        held, seen = sample.folds == fold, sample.excluding_fold(int(fold))
        fitted[int(fold)] = fit(seen[~held], preset, choose, combine)
        dice[held] = fitted[int(fold)].dice(seen[held])
    return CrossFit(fitted, dice)
