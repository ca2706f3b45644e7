"""Fitting a decision rule to a sample, and cross-fitting it without each fold in turn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lib import metrics
from lib.decision.calibration import ReliabilityBin, check_both_kinds, logit, reliability_bins
from lib.decision.component_search import ComponentSearch
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.gate_search import GateSearch
from lib.decision.histograms import Gate, OofSample
from lib.decision.plateau import RuleSearch
from lib.decision.rules import Areas, DecisionRule, ThresholdRule
from lib.decision.threshold_search import PRESETS, Preset

SEARCHES: Mapping[str | None, type[RuleSearch]] = {
    "components": ComponentSearch,
    "class": GateSearch,
}
DECIMALS = 6  # as in class.csv: sums in another order must not move an image across a gate

GateFit = Callable[[np.ndarray, np.ndarray], Gate]  # features, (N,) bool positive -> Gate


def identity_gate(features: np.ndarray, positive: np.ndarray) -> Gate:
    """Return the gate of a single column that is p(positive) already; nothing is fitted."""
    assert features.shape[1] == 1
    return lambda features: features[:, 0]


def mean_gate(features: np.ndarray, positive: np.ndarray) -> Gate:
    """Return the gate that averages the columns; nothing is fitted."""
    return lambda features: features.mean(axis=1).round(DECIMALS)


@dataclass(frozen=True)
class LogisticGate:
    """The gate of a logistic regression on the logits of the columns.

    Attributes:
        intercept: of the logit.
        weights: one for each column.
    """

    intercept: float
    weights: tuple[float, ...]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        logits = self.intercept + logit(features) @ np.array(self.weights)
        return (1 / (1 + np.exp(-logits))).round(DECIMALS)


def stacked_gate(features: np.ndarray, positive: np.ndarray) -> LogisticGate:
    """Fit a logistic regression on the logits of the columns.

    Args:
        features: (N, G) probabilities.
        positive: (N,) bool, True where the truth is not empty.

    Raises:
        InputError: if all images are positive, or none is.
    """
    from sklearn.linear_model import LogisticRegression  # late: it takes a second to load

    check_both_kinds(positive, "--gate-fit stack", "--gate-fit mean")
    model = LogisticRegression().fit(logit(features), positive)
    return LogisticGate(float(model.intercept_[0]), tuple(model.coef_[0].tolist()))


@dataclass(frozen=True)
class FittedRule:
    """A decision rule with the gate that was fitted for it.

    Attributes:
        rule: turns maps into masks.
        gate: turns features into p(positive); None if the sample has no features.
    """

    rule: DecisionRule
    gate: Gate | None = None

    def areas(self, sample: OofSample) -> Areas:
        """Return |P|, |T| and |P and T| of every image, each (N,) in pixels."""
        return self.rule.areas(sample, sample.p_positive(self.gate))

    def dice(self, sample: OofSample) -> np.ndarray:
        """Return the Dice of every image, (N,)."""
        return metrics.dice(*self.areas(sample))


@dataclass(frozen=True)
class RuleFitter:
    """The way a rule is fitted to a sample.

    Attributes:
        preset: the family of rules that is searched.
        choose: "plateau" for the middle of the plateau, or "best"; None for the expected-Dice rule.
        fit_gate: makes the gate of the features, if the sample has any.
        fixed_rule: a rule that is taken as it is; the search is then for comparison only.
    """

    preset: Preset = PRESETS["triplet"]
    choose: str | None = "plateau"
    fit_gate: GateFit = identity_gate
    fixed_rule: DecisionRule | None = None

    def search(self, sample: OofSample) -> RuleSearch:
        """Fit the gate to a sample that has features, and prepare the search of the preset."""
        gate = None
        if sample.features is not None:
            gate = self.fit_gate(sample.features, sample.histograms.positive)
        return SEARCHES.get(self.preset.extension, RuleSearch)(sample, self.preset, gate)

    def take(self, search: RuleSearch) -> FittedRule:
        """Take the fixed rule, the chosen rule of a search, or the rule of expected Dice."""
        rule = self.fixed_rule or search.rule(self.choose)
        if rule is None:
            rule = ExpectedDiceRule.fit(search.sample.histograms, search.p_positive)
        return FittedRule(rule, search.gate)

    def fit(self, sample: OofSample) -> FittedRule:
        """Fit gate and rule to a sample."""
        return self.take(self.search(sample))


@dataclass(frozen=True)
class TunedRule:
    """A rule fitted to a sample, with its search.

    Attributes:
        fitter: the way it was fitted.
        search: the search of the preset.
        fitted: the chosen or fixed rule.
        best_of_fold: the best rule of each fold's own images.
    """

    fitter: RuleFitter
    search: RuleSearch
    fitted: FittedRule
    best_of_fold: dict[int, ThresholdRule]


def tune(sample: OofSample, fitter: RuleFitter) -> TunedRule:
    """Fit a rule to a sample, and search each fold on its own to compare."""
    search = fitter.search(sample)
    best_of_fold = {fold: fitter.search(part).best for fold, part in sample.by_fold().items()}
    return TunedRule(fitter, search, fitter.take(search), best_of_fold)


@dataclass(frozen=True)
class CrossFit:
    """Every image scored by the rule that was fitted without its fold.

    Attributes:
        fitted: for each fold, the rule that was fitted on the other folds.
        dice: (N,) Dice of each image.
    """

    fitted: dict[int, FittedRule]
    dice: np.ndarray


def cross_fit(sample: OofSample, fitter: RuleFitter) -> CrossFit:
    """Fit on all folds but one, score that one, and repeat for every fold.

    Args:
        sample: of two folds or more.
        fitter: the way the rule is fitted.
    """
    folds = np.unique(sample.folds)
    assert len(folds) > 1, "no other fold to fit on"
    fitted, dice = {}, np.empty(len(sample))
    for fold in map(int, folds):
        heldout = sample.folds == fold
        sample_without = sample.with_maps_fitted_without(fold)
        fitted[fold] = fitter.fit(sample_without[~heldout])
        dice[heldout] = fitted[fold].dice(sample_without[heldout])
    return CrossFit(fitted, dice)


def measure_reliability(
    sample: OofSample, fitted: FittedRule, refitted: Mapping[int, FittedRule]
) -> dict[str, list[ReliabilityBin]] | None:
    """Compare the calibrated probabilities of a rule with what happened; None if it has none.

    Args:
        sample: labelled images.
        fitted: the rule that was fitted on all of them.
        refitted: for each fold, the rule that was fitted without it; empty if there was no other
            fold to fit on, and the comparison is then in-sample.

    Returns:
        By kind of event, "pixels" and "empty", the bins of `reliability_bins`.
    """
    scored = [(sample, fitted)]
    if refitted:
        scored = [
            (sample.with_maps_fitted_without(fold)[sample.folds == fold], fold_rule)
            for fold, fold_rule in refitted.items()
        ]
    parts = [rule.rule.predictions(part, part.p_positive(rule.gate)) for part, rule in scored]
    bins = {
        event: reliability_bins(*map(np.concatenate, zip(*(p[event] for p in parts), strict=True)))
        for event in parts[0]
    }
    return bins or None
