"""Deciding: fit or take a rule, score it, and write the decision."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lib import csv_files
from lib.artifacts import Artifact, Draft
from lib.bootstrap import standard_error
from lib.dataset import Dataset
from lib.decision import histograms
from lib.decision.components import ComponentCache
from lib.decision.histograms import Histograms, OofSample
from lib.decision.schema import (
    DECISION_FILE,
    EXPECTED,
    STACK,
    SURFACE_FILE,
    AutoChoice,
    Decision,
)
from lib.decision.tuning import FittedRule, cross_fit, tune
from lib.ensemble import member_weights
from lib.ensemble.average import HISTOGRAMS_FILE
from lib.ensemble.evaluation import evaluate, unscored_decision
from lib.ensemble.members import SEARCH, Member, MemberFold
from lib.ensemble.options import AUTO, TRIPLET, DecisionOptions
from lib.ensemble.surface import Marks, draw_surface
from lib.layout import CLASSES
from lib.tuning_page import page


def decide(
    draft: Draft,
    ensemble: Artifact,
    dataset: Dataset,
    options: DecisionOptions,
    members: Sequence[Member] = (),
    gates: Sequence[MemberFold] = (),
) -> Decision:
    """Fill a decision: decision.json; surface.png and tuning.html where there are labels.

    With gates it also holds class.csv, their p(positive) of every image.

    Args:
        draft: of the decision.
        ensemble, dataset: maps, truth and folds.
        options: the rule to search or to take.
        members: members of the ensemble.
        gates: runs used for p(positive) only.
    """
    features = (
        gate_features(ensemble, gates, options.gate_fit) if options.wants_p_positive else None
    )
    sample = read_sample(ensemble, dataset, features)
    if sample is not None:
        chosen, auto = choose_rule(sample, options)
        tuned = tune(sample, chosen.fitter)
        fitted, search = tuned.fitted, tuned.search
        marked = chosen.fixed_rule or search.rule(chosen.choose)
        marks = Marks(search.best, marked.thresholds if marked else None, tuned.best_of_fold)
        draw_surface(draft.path(SURFACE_FILE), search.plateau, marks)
        command = _command(ensemble, options)
        path = draft.path(page.TUNING_FILE)
        page.write(path, sample, tuned, options.rule, command, dataset.rle_size)
        ranked = _checkpoints_ranked([*members, *gates])
        decision = evaluate(sample, options, tuned)
        decision = replace(decision, auto=auto, checkpoints_selected_on_these_folds=ranked)
    else:
        fitted = _fixed_rule(options, features)
        decision = unscored_decision(options, fitted)
    if gates:
        assert fitted.gate
        assert features is not None
        p = pd.DataFrame({"ImageId": features.index, "p": fitted.gate(features.to_numpy())})
        csv_files.write(draft.path(CLASSES), p)
    decision = replace(decision, rle_size=dataset.rle_size)
    decision.save(draft.path(DECISION_FILE))
    draft.finish()
    return decision


def gate_features(
    ensemble: Artifact, gates: Sequence[MemberFold], gate_fit: str
) -> pd.DataFrame | None:
    """Return the probabilities that p(positive) is made of: a row an image, a column a gate.

    An out-of-fold image has the probability by the network that did not train on it, a test image
    the mean over folds. Without gates the only column is the mean of the members.

    Args:
        ensemble: with the members' mean.
        gates: of --gate.
        gate_fit: of --gate-fit; with STACK the members' mean is one more column.

    Returns:
        None if no run has an image head.
    """
    columns: dict[str, list[pd.Series]] = {}
    for gate in gates:
        columns.setdefault(gate.run, []).append(_to_floats(gate.p_positive))
    features = {run: pd.concat(parts).groupby(level=0).mean() for run, parts in columns.items()}
    of_members = _to_floats(csv_files.read(ensemble.path(CLASSES), ("ImageId", "p")))
    if not gates or (gate_fit == STACK and not of_members.empty):
        features["members"] = of_members
    table = pd.DataFrame(features)
    return None if table.empty else table


def read_sample(
    ensemble: Artifact, dataset: Dataset, features: pd.DataFrame | None = None
) -> OofSample | None:
    """Return the labelled images that rules are fitted on; None without out-of-fold maps.

    Args:
        features: image probabilities, a row an image, if the rule uses them.
    """
    if HISTOGRAMS_FILE not in ensemble.files:
        return None
    counts = histograms.load(ensemble.path(HISTOGRAMS_FILE))

    def load_heldout(fold: int) -> Histograms:
        return histograms.load(ensemble.path(member_weights.heldout_file(fold)))

    weights_were_searched = member_weights.WEIGHTS_FILE in ensemble.files
    return OofSample(
        counts,
        folds=np.array([dataset.folds[image_id] for image_id in counts.ids]),
        patients=np.array([dataset.patients[image_id] for image_id in counts.ids]),
        features=None if features is None else features.loc[counts.ids].to_numpy(float),
        components=ComponentCache(ensemble.location.folder, dataset.truth),
        heldout_histograms=load_heldout if weights_were_searched else None,
    )


def choose_rule(
    sample: OofSample, options: DecisionOptions
) -> tuple[DecisionOptions, AutoChoice | None]:
    """Turn --rule auto into triplet or expected; other options stay.

    The choice uses the cross-fitted scores that are then reported. The gain must exceed one
    standard error, so the choice changes these scores little.

    Returns:
        The options, and the choice; None if there was none.

    Raises:
        InputError: if all images outside of a fold are empty, or none is.
    """
    if options.rule != AUTO:
        return options, None
    if len(np.unique(sample.folds)) == 1:
        reason = "one fold: there is no cross-fitted score to compare"
        return replace(options, rule=TRIPLET), AutoChoice(TRIPLET, reason)
    of_rule = {
        TRIPLET: replace(options, rule=TRIPLET),
        EXPECTED: replace(options, rule=EXPECTED, choose=None),
    }
    dice = {rule: cross_fit(sample, tried.fitter).dice for rule, tried in of_rule.items()}
    gain = dice[EXPECTED] - dice[TRIPLET]
    error = standard_error(gain, sample.patients)
    scores = {rule: float(values.mean()) for rule, values in dice.items()}
    all_empty = float(sample.histograms.all_empty_dice.mean())
    is_significant = gain.mean() > error
    rule = EXPECTED if is_significant else TRIPLET
    better = [name for name in (TRIPLET, EXPECTED) if scores[name] > all_empty]
    verdict = {2: "both beat", 1: f"only {''.join(better[:1])} beats", 0: "neither beats"}
    reason = (
        f"expected gains {gain.mean():+.4f} cross-fitted on triplet, "
        f"{'more' if is_significant else 'not more'} than the paired standard error of "
        f"{error:.4f}; {verdict[len(better)]} the all-empty baseline ({all_empty:.4f})"
    )
    return of_rule[rule], AutoChoice(rule, reason, scores | {"all_empty": all_empty}, error)


def _command(ensemble: Artifact, options: DecisionOptions) -> str:
    """Return the command of stage 04 for these maps, without --work, a rule and --tag.

    It is made from the configs: the command that was given holds paths, and would change the id.
    """
    config = ensemble.config
    words = ["python", "04_ensemble.py", "--members", *config["members"]]
    words += ["--name", ensemble.location.folder.name, "--folds", *map(str, config["folds"])]
    if config["weights"] == SEARCH:
        words += ["--weights", SEARCH]
    elif len(set(config["weights"])) > 1:
        words += ["--weights", *map(str, config["weights"])]
    if options.gate:
        words += ["--gate", *options.gate, "--gate-fit", options.gate_fit]
    return shlex.join(words)


def _fixed_rule(options: DecisionOptions, features: pd.DataFrame | None) -> FittedRule:
    """Return a fixed rule without labels; its gate is one that needs no labels."""
    assert options.fixed_rule
    gate = None
    if features is not None:
        gate = options.fitter.fit_gate(features.to_numpy(), np.zeros(len(features)))
    return FittedRule(options.fixed_rule, gate)


def _checkpoints_ranked(members: Sequence[Member]) -> bool | None:
    """Return True if out-of-fold images ranked the checkpoints; None if the maps do not say."""
    ranked = [member.ranked for member in members if member.has_oof]
    return None if None in ranked or not ranked else any(ranked)


def _to_floats(p_positive: pd.DataFrame) -> pd.Series:
    return p_positive.set_index("ImageId")["p"].astype(float)
