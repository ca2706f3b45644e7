"""Decide what becomes a mask: fit or take a rule, and say what it is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib import metrics, tables
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.decision import rules
from lib.decision.choice import Plateau
from lib.decision.honest import Fitted, Gate, Honest, explore, fit, learn_gate, refit
from lib.decision.sample import Sample
from lib.decision.uncertainty import interval
from lib.ensemble import gates, oof, vote
from lib.ensemble.members import Source
from lib.ensemble.surface import Marked, draw
from lib.ensemble.wish import Wish
from lib.files import write_json
from lib.layout import CLASSES, Fold
from lib.recipes.schema import Rule

DECISION, SURFACE = "decision.json", "surface.png"
UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(["oof_dice", "fold_honest_dice", "ci95", "optimism", "best", "plateau"]),
    "fold_honest_reason": "no labelled images",
    "checkpoints_selected_on_these_folds": None,
    "confusion": None,
    "images": 0,
    "folds": {},
}


def decide(
    draft: Draft,
    ensemble: Artifact,
    dataset: Dataset,
    wish: Wish,
    sources: Sequence[Source] = (),
    gating: Sequence[Source] = (),
) -> dict[str, Any]:
    """Fill a decision: decision.json, and surface.png where there are labels.

    With gates there is class.csv too, their p(positive) of every image; with a vote, masks/ of the
    test images.

    Args:
        draft: of the decision.
        ensemble, dataset: what it is about.
        wish: what is asked.
        sources: what the ensemble is the mean of.
        gating: image probabilities of the gates.

    Returns:
        What decision.json holds.
    """
    decision = UNMEASURED | wish.words
    features = gates.features(ensemble, gating, wish.gate_fit) if wish.wants_classes else None
    sample = oof.read(ensemble, dataset, features) if oof.has_labels(ensemble) else None
    if sample:
        fitted, measured = _decide_on_labels(draft, sample, wish)
        decision |= measured
        decision["checkpoints_selected_on_these_folds"] = _selected([*sources, *gating])
    else:
        fitted = _unfitted(wish, features)
        decision |= rules.to_json(fitted.rule)
    if gating:
        assert features is not None
        tables.write(draft.path(CLASSES), _classes(fitted.gate, features))
    if wish.test_rule == vote.VOTE:
        ballots = _ballots(sample, wish, fitted, sources)
        decision["votes"] = {str(fold): rules.to_json(one.rule) for fold, one in ballots.items()}
        nothing = pd.DataFrame(index=dataset.test_ids)
        images = nothing if features is None else features.loc[dataset.test_ids]
        vote.cast(draft, ensemble, sources, ballots, images)
    write_json(draft.path(DECISION), decision)
    draft.finish()
    return decision


def _unfitted(wish: Wish, features: pd.DataFrame | None) -> Fitted:
    """A stated rule without labels; its gate is one that needs none."""
    assert wish.stated
    assert not wish.fits
    if features is None:
        return Fitted(wish.stated)
    return Fitted(wish.stated, gates.FITS[wish.how](features.to_numpy(), np.zeros(len(features))))


def _ballots(
    sample: Sample | None, wish: Wish, fitted: Fitted, sources: Sequence[Source]
) -> dict[Fold, Fitted]:
    """What each fold decides by: fitted on its own images, if anything is fitted."""
    if sample is None or not wish.fits:
        return dict.fromkeys((source.fold for source in sources), fitted)
    how = wish.stated or wish.preset, wish.choose, gates.FITS[wish.how]
    return {fold: fit(one, *how) for fold, one in sample.by_fold().items()}


def _decide_on_labels(draft: Draft, sample: Sample, wish: Wish) -> tuple[Fitted, dict[str, Any]]:
    """Search, choose, measure and draw; a rule that is not searched is drawn among the triplets."""
    gate = learn_gate(sample, gates.FITS[wish.how])
    found = explore(sample, wish.preset, gate)
    fitted = Fitted(wish.stated or found.rule(wish.choose), gate)
    predicted, truth, overlap = fitted.areas(sample)
    dice = metrics.dice(predicted, truth, overlap)
    honest, reason = _honest(sample, wish, dice)
    own = {fold: _own_best(one, wish) for fold, one in sample.by_fold().items()}
    draw(draft.path(SURFACE), found.plateau, Marked(found.best, fitted.rule, own))
    return fitted, {
        **rules.to_json(fitted.rule),
        **_worth(dice, honest, sample.patients),
        "fold_honest_reason": reason,
        "best": _scored(Fitted(found.best, gate), sample),
        "plateau": _scored(Fitted(found.middle, gate), sample) | _extent(found.plateau),
        "confusion": metrics.confusion(predicted > 0, truth > 0),
        "images": len(dice),
        "folds": _by_fold(own, honest),
    }


def _own_best(sample: Sample, wish: Wish) -> Rule:
    """What the images of one fold would choose."""
    return explore(sample, wish.preset, learn_gate(sample, gates.FITS[wish.how])).best


def _honest(sample: Sample, wish: Wish, tuned: np.ndarray) -> tuple[Honest | None, str | None]:
    """The rule's Dice on images that it was not fitted on, and what is special about it."""
    if not wish.fits and sample.blind is None:
        return Honest({}, tuned), "the rule was stated, nothing was fitted"
    if len(np.unique(sample.folds)) == 1:
        return None, "one fold: there is no other to fit on"
    if sample.blind is not None and wish.wants_shapes:
        return None, "the weights were searched: components are known under the final ones only"
    return refit(sample, wish.stated or wish.preset, wish.choose, gates.FITS[wish.how]), None


def _selected(sources: Sequence[Source]) -> bool | None:
    """Whether checkpoints were ranked by the images that rules are measured on; None: unknown."""
    ranked = [source.probs.facts.get("ranked") for source in sources if source.out_of_fold]
    return None if None in ranked or not ranked else any(ranked)


def _classes(gate: Gate | None, features: pd.DataFrame) -> pd.DataFrame:
    """What the gates say of every image."""
    assert gate
    p = gate(features.to_numpy())
    return pd.DataFrame({"ImageId": features.index, "p": p})


def _worth(tuned: np.ndarray, honest: Honest | None, patients: np.ndarray) -> dict[str, Any]:
    """What the rule scores, how sure that is, and how much of it is owed to tuning.

    Args:
        tuned: (N,) Dice of each image.
        patients: (N,) the patient of each.
    """
    measured = tuned if honest is None else honest.dice
    return {
        "oof_dice": float(tuned.mean()),
        "fold_honest_dice": None if honest is None else float(honest.dice.mean()),
        "ci95": interval(measured, patients),
        "optimism": None if honest is None else float(tuned.mean() - honest.dice.mean()),
    }


def _scored(fitted: Fitted, sample: Sample) -> dict[str, Any]:
    return rules.to_json(fitted.rule) | {"oof_dice": float(fitted.dice(sample).mean())}


def _extent(plateau: Plateau) -> dict[str, Any]:
    """How large the plateau is, and how deep in it the choice lies."""
    return {
        "standard_error": plateau.standard_error,
        "pairs": int(plateau.inside.sum()),
        "depth": int(plateau.depth.max()),
        "areas": plateau.areas,
    }


def _by_fold(own: Mapping[int, Rule], honest: Honest | None) -> dict[str, Any]:
    """What each fold's own images would choose, and what the other folds choose for it."""
    others = honest.rules if honest else {}
    return {
        str(fold): {
            "best": rules.to_json(best),
            "refitted": rules.to_json(others[fold]) if fold in others else None,
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
    if decision["choose"] is None:
        return f"Dice {decision['oof_dice']:.4f} of the stated rule on {where}, {interval}"
    if decision["fold_honest_dice"] is None:
        return f"Dice {decision['oof_dice']:.4f} on the {where} that it was tuned on, {interval}"
    return f"fold-honest Dice {decision['fold_honest_dice']:.4f} on {where}, {interval}"
