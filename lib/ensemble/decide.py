"""Decide what becomes a mask: fit or take a rule, and write it with what it is worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib import csv_files
from lib.artifacts import Artifact, Draft
from lib.dataset import Dataset
from lib.decision import deciders
from lib.decision.honest import FittedRule, Gate, fit, fit_gate, search_preset
from lib.decision.oof_sample import OofSample
from lib.ensemble import auto, evaluation, gates, oof, vote
from lib.ensemble.members import MemberFold
from lib.ensemble.options import DecisionOptions
from lib.ensemble.surface import Marked, draw
from lib.files import write_json
from lib.layout import CLASSES, Fold
from lib.recipes.schema import Rule

DECISION, SURFACE = "decision.json", "surface.png"


def decide(
    draft: Draft,
    ensemble: Artifact,
    dataset: Dataset,
    wish: DecisionOptions,
    sources: Sequence[MemberFold] = (),
    gating: Sequence[MemberFold] = (),
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
    decision = evaluation.UNMEASURED | wish.words
    features = _features(ensemble, gating, wish)
    sample = oof.read(ensemble, dataset, features) if oof.has_labels(ensemble) else None
    if sample:
        wish, decision["auto"] = auto.choose_rule(sample, wish)
        fitted, measured = _decide_on_labels(draft, sample, wish)
        decision |= measured
        decision["checkpoints_selected_on_these_folds"] = _selected([*sources, *gating])
    else:
        fitted = _unfitted(wish, features)
        decision |= deciders.to_json(fitted.rule)
    if gating:
        assert features is not None
        csv_files.write(draft.path(CLASSES), _classes(fitted.gate, features))
    if wish.test_rule == vote.VOTE:
        ballots = _ballots(sample, wish, fitted, sources)
        decision["votes"] = {str(fold): deciders.to_json(one.rule) for fold, one in ballots.items()}
        nothing = pd.DataFrame(index=dataset.test_ids)
        images = nothing if features is None else features.loc[dataset.test_ids]
        vote.cast(draft, ensemble, sources, ballots, images)
    write_json(draft.path(DECISION), decision)
    draft.finish()
    return decision


def _features(
    ensemble: Artifact, gating: Sequence[MemberFold], wish: DecisionOptions
) -> pd.DataFrame | None:
    """Image probabilities, if the rule looks at them and there are any."""
    if not wish.wants_classes:
        return None
    found = gates.features(ensemble, gating, wish.gate_fit)
    return None if found.empty else found


def _unfitted(wish: DecisionOptions, features: pd.DataFrame | None) -> FittedRule:
    """A stated rule without labels; its gate is one that needs none."""
    assert wish.stated
    assert not wish.fits
    if features is None:
        return FittedRule(wish.stated)
    return FittedRule(
        wish.stated, gates.FITS[wish.how](features.to_numpy(), np.zeros(len(features)))
    )


def _ballots(
    sample: OofSample | None,
    wish: DecisionOptions,
    fitted: FittedRule,
    sources: Sequence[MemberFold],
) -> dict[Fold, FittedRule]:
    """What each fold decides by: fitted on its own images, if anything is fitted."""
    if sample is None or not wish.fits:
        return dict.fromkeys((source.fold for source in sources), fitted)
    how = wish.stated or wish.preset, wish.choose, gates.FITS[wish.how]
    return {fold: fit(one, *how) for fold, one in sample.by_fold().items()}


def _decide_on_labels(
    draft: Draft, sample: OofSample, wish: DecisionOptions
) -> tuple[FittedRule, dict[str, Any]]:
    """Search, choose, measure and draw; a rule that is not searched is drawn among the triplets."""
    gate = fit_gate(sample, gates.FITS[wish.how])
    found = search_preset(sample, wish.preset, gate)
    fitted = FittedRule(wish.stated or found.rule(wish.choose), gate)
    own = {fold: _own_best(one, wish) for fold, one in sample.by_fold().items()}
    chosen = fitted.rule if isinstance(fitted.rule, Rule) else None
    draw(draft.path(SURFACE), found.plateau, Marked(found.best, chosen, own))
    return fitted, evaluation.measure(sample, wish, fitted, found, own)


def _own_best(sample: OofSample, wish: DecisionOptions) -> Rule:
    """What the images of one fold would choose."""
    return search_preset(sample, wish.preset, fit_gate(sample, gates.FITS[wish.how])).best


def _selected(sources: Sequence[MemberFold]) -> bool | None:
    """Whether checkpoints were ranked by the images that rules are measured on; None: unknown."""
    ranked = [source.probs.config.get("ranked") for source in sources if source.out_of_fold]
    return None if None in ranked or not ranked else any(ranked)


def _classes(gate: Gate | None, features: pd.DataFrame) -> pd.DataFrame:
    """What the gates say of every image."""
    assert gate
    p = gate(features.to_numpy())
    return pd.DataFrame({"ImageId": features.index, "p": p})
