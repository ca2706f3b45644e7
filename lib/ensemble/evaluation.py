"""What a decision is worth: on the images it was fitted on, and on those it was not."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib import metrics
from lib.bootstrap import interval
from lib.dataset import Dataset
from lib.decision import deciders
from lib.decision.fits import RuleSearch
from lib.decision.honest import CrossFit, FittedRule, cross_fit
from lib.decision.oof_sample import OofSample
from lib.decision.plateau import Plateau
from lib.ensemble import gates, trust, vote
from lib.ensemble.options import DecisionOptions
from lib.recipes.schema import Rule

UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(["oof_dice", "cross_fitted_dice", "ci95", "optimism", "best", "plateau"]),
    "cross_fitted_reason": "no labelled images",
    "checkpoints_selected_on_these_folds": None,
    "confusion": None,
    "auto": None,
    "reliability": None,
    "images": 0,
    "folds": {},
}


def measure(
    sample: OofSample,
    wish: DecisionOptions,
    fitted: FittedRule,
    found: RuleSearch,
    own: Mapping[int, Rule],
) -> dict[str, Any]:
    """What decision.json says of a rule, where there are labels.

    Args:
        sample: the images it was fitted on.
        wish: what was asked.
        fitted: what is decided by.
        found: what the search found.
        own: by fold, what its images alone would choose.
    """
    predicted, truth, overlap = fitted.areas(sample)
    dice = metrics.dice(predicted, truth, overlap)
    honest, reason = _honest(sample, wish, dice)
    calibrated = honest.fitted if honest else dict.fromkeys(own, fitted)
    return {
        **deciders.to_json(fitted.rule),
        **_worth(dice, honest, sample.patients),
        "cross_fitted_reason": reason,
        "best": _scored(FittedRule(found.best, fitted.gate), sample),
        "plateau": _scored(FittedRule(found.middle, fitted.gate), sample) | _extent(found.plateau),
        "reliability": None if isinstance(fitted.rule, Rule) else trust.measure(sample, calibrated),
        "confusion": metrics.confusion(predicted > 0, truth > 0),
        "images": len(dice),
        "folds": _by_fold(own, honest),
    }


def _honest(
    sample: OofSample, wish: DecisionOptions, tuned: np.ndarray
) -> tuple[CrossFit | None, str | None]:
    """The rule's Dice on images that it was not fitted on, and what is special about it."""
    if not wish.fits and sample.heldout_histograms is None:
        return CrossFit({}, tuned), "the rule was stated, nothing was fitted"
    if len(np.unique(sample.folds)) == 1:
        return None, "one fold: there is no other to fit on"
    if sample.heldout_histograms is not None and wish.wants_shapes:
        return None, "the weights were searched: components are known under the final ones only"
    return cross_fit(sample, wish.stated or wish.preset, wish.choose, gates.FITS[wish.how]), None


def _worth(tuned: np.ndarray, honest: CrossFit | None, patients: np.ndarray) -> dict[str, Any]:
    """What the rule scores, how sure that is, and how much of it is owed to tuning.

    Args:
        tuned: (N,) Dice of each image.
        patients: (N,) the patient of each.
    """
    measured = tuned if honest is None else honest.dice
    return {
        "oof_dice": float(tuned.mean()),
        "cross_fitted_dice": None if honest is None else float(honest.dice.mean()),
        "ci95": interval(measured, patients),
        "optimism": None if honest is None else float(tuned.mean() - honest.dice.mean()),
    }


def _scored(fitted: FittedRule, sample: OofSample) -> dict[str, Any]:
    return deciders.to_json(fitted.rule) | {"oof_dice": float(fitted.dice(sample).mean())}


def _extent(plateau: Plateau) -> dict[str, Any]:
    """How large the plateau is, and how deep in it the choice lies."""
    return {
        "standard_error": plateau.standard_error,
        "pairs": int(plateau.inside.sum()),
        "depth": int(plateau.depth.max()),
        "areas": plateau.areas,
    }


def _by_fold(own: Mapping[int, Rule], honest: CrossFit | None) -> dict[str, Any]:
    """What each fold's own images would choose, and what the other folds choose for it."""
    others = honest.rules if honest else {}
    return {
        str(fold): {
            "best": deciders.to_json(best),
            "refitted": deciders.to_json(others[fold]) if fold in others else None,
        }
        for fold, best in own.items()
    }


def summary(decision: Mapping[str, Any], dataset: Dataset) -> str:
    """What a decision is worth, in a line."""
    if not decision["images"]:
        return "a stated rule, not measured: there are no labelled images"
    where = f"{decision['images']} images"
    if decision["images"] < len(dataset.truth):
        folds = " ".join(decision["folds"])
        where = f"{decision['images']} of {len(dataset.truth)} labelled images (folds {folds})"
    low, high = decision["ci95"]
    interval = f"95 % interval {low:.4f} to {high:.4f}"
    if decision["test_rule"] == vote.VOTE:
        interval += " (before the vote, which is on test images only)"
    if decision["choose"] is None and not decision["expected"]:
        return f"Dice {decision['oof_dice']:.4f} of the stated rule on {where}, {interval}"
    if decision["cross_fitted_dice"] is None:
        return f"Dice {decision['oof_dice']:.4f} on the {where} that it was tuned on, {interval}"
    if decision["auto"]:
        interval += f", of {decision['auto']['rule']}: {decision['auto']['reason']}"
    return f"cross-fitted Dice {decision['cross_fitted_dice']:.4f} on {where}, {interval}"
