"""Scores of a decision rule: in-sample, and cross-fitted on images that it was not fitted on."""

from dataclasses import replace

import numpy as np

from lib import metrics
from lib.bootstrap import interval
from lib.dataset import Dataset
from lib.decision.histograms import OofSample
from lib.decision.rules import ThresholdRule
from lib.decision.schema import PARAMS, Decision, FoldRules, PlateauSummary
from lib.decision.tuning import CrossFit, FittedRule, TunedRule, cross_fit, measure_reliability
from lib.ensemble.options import DecisionOptions


def evaluate(sample: OofSample, options: DecisionOptions, tuned: TunedRule) -> Decision:
    """Score a tuned rule, in-sample and cross-fitted.

    Args:
        sample: labelled images.
        options: as given; with --rule auto, `tuned` has the rule that was chosen.
        tuned: the rule, fitted to the sample.
    """
    search, fitted = tuned.search, tuned.fitted
    predicted, truth, overlap = fitted.areas(sample)
    dice = metrics.dice(predicted, truth, overlap)
    crossed, reason = _cross_fit(sample, options, tuned, dice)
    scored = dice if crossed is None else crossed.dice
    refitted = crossed.fitted if crossed else {}
    plateau = PlateauSummary(
        search.middle,
        _mean_dice(search.middle, fitted, sample),
        search.plateau.standard_error,
        pairs=int(search.plateau.inside.sum()),
        depth=int(search.plateau.depth.max()),
        areas=search.plateau.areas,
    )
    return replace(
        unscored_decision(options, fitted),
        images=len(dice),
        oof_dice=float(dice.mean()),
        cross_fitted_dice=None if crossed is None else float(crossed.dice.mean()),
        cross_fitted_reason=reason,
        ci95=interval(scored, sample.patients),
        optimism=None if crossed is None else float(dice.mean() - crossed.dice.mean()),
        best=search.best,
        best_dice=_mean_dice(search.best, fitted, sample),
        plateau=plateau,
        folds={
            fold: FoldRules(best, refitted[fold].rule if fold in refitted else None)
            for fold, best in tuned.best_of_fold.items()
        },
        confusion=metrics.confusion(predicted > 0, truth > 0),
        reliability=measure_reliability(sample, fitted, refitted),
    )


def unscored_decision(options: DecisionOptions, fitted: FittedRule) -> Decision:
    """Return the decision for a rule, without scores."""
    return Decision(options.rule, fitted.rule, options.choose, options.gate, options.gate_fit)


def summary(decision: Decision, dataset: Dataset) -> str:
    """Return the scores of a decision in a line, beside that of the all-empty baseline."""
    if not decision.images:
        reason = "there are no labelled images"
        if dataset.truth:
            reason = "the labelled images have no out-of-fold map"
        return f"a fixed rule, without a score: {reason}"
    images = f"{decision.images} images"
    if decision.images < len(dataset.truth):
        folds = " ".join(map(str, decision.folds))
        images = f"{decision.images} of {len(dataset.truth)} labelled images (folds {folds})"
    assert decision.ci95
    assert decision.oof_dice is not None
    score, (low, high) = decision.cross_fitted_dice, decision.ci95
    ci95 = f"(95 % interval {low:.4f} to {high:.4f})"
    if score is None:
        score = decision.oof_dice
        on = f"on the {images} that it was tuned on"
        if decision.is_fixed:
            on = f"on {images}, not cross-fitted: {decision.cross_fitted_reason}"
        text = f"Dice {score:.4f} {ci95} {on}"
    elif decision.cross_fitted_reason:  # nothing was fitted
        text = f"Dice {score:.4f} {ci95} of the published rule on {images}"
    else:
        tuned = f"tuned on all of them {decision.oof_dice:.4f}"
        text = f"cross-fitted Dice {score:.4f} {ci95} on {images}; {tuned}"
    text += f"; all-empty baseline {decision.all_empty_dice:.4f}"
    if score < decision.all_empty_dice:
        text += ": the rule scores less than the all-empty baseline"
    if decision.auto:
        text += f"; auto took {decision.auto.rule}: {decision.auto.reason}"
    return text


def _cross_fit(
    sample: OofSample, options: DecisionOptions, tuned: TunedRule, dice: np.ndarray
) -> tuple[CrossFit | None, str | None]:
    """Score the rule on images that it was not fitted on.

    Returns:
        The scores, None if impossible; and why they are missing or equal the in-sample ones.
    """
    weights_were_searched = sample.heldout_histograms is not None
    if options.rule == PARAMS:
        return None, "the rule was given by flags, and may have been tuned on these images"
    if not options.needs_fitting and not weights_were_searched:
        return CrossFit({}, dice), "the rule is published, nothing was fitted"
    if len(np.unique(sample.folds)) == 1:
        return None, "one fold: there is no other to fit on"
    if weights_were_searched and options.needs_components:
        return None, "the weights were searched: components are known under the final ones only"
    return cross_fit(sample, tuned.fitter), None


def _mean_dice(rule: ThresholdRule, fitted: FittedRule, sample: OofSample) -> float:
    """Return the mean Dice of a rule behind the gate of another."""
    return float(replace(fitted, rule=rule).dice(sample).mean())
