"""Ensembles and decisions of tiny maps, made as stage 04 makes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib import artifacts, csv_files, dataset, images, metrics
from lib.artifacts import Artifact, Draft
from lib.decision.rules import DecisionRule
from lib.decision.schema import Decision
from lib.decision.tuning import tune
from lib.ensemble.average import average, ensemble_config
from lib.ensemble.decide import decide, gate_features, read_sample
from lib.ensemble.evaluation import evaluate
from lib.ensemble.member_weights import find_weights
from lib.ensemble.members import MemberFold, is_search, load_gates, load_members
from lib.ensemble.options import DecisionOptions, parse_options
from lib.layout import ArtifactPath, Work, map_file
from tests import fakes

TRUTH = fakes.masks(12)
TEST = ("test0", "test1")
IMAGES = (*TRUTH, *TEST)


def noisy_p_positive(seed: int, sharpness: float) -> dict[str, float]:
    """p(positive) of every image that resembles TRUTH."""
    rng = np.random.default_rng(seed)
    logits = {i: sharpness * (2 * TRUTH[i].any() - 1) + rng.normal() for i in TRUTH}
    logits |= {i: rng.normal() for i in TEST}
    return {i: round(float(1 / (1 + np.exp(-logit))), 6) for i, logit in logits.items()}


def load(
    work: Work, *runs: str, folds: Sequence[str] | None = None, weights: str = "equal"
) -> list[MemberFold]:
    return load_members(work, dataset.read(work), runs, folds, weights.split())


def parse(
    work: Work, runs: Sequence[str], rule: str = "triplet", choose: str | None = None, **flags: Any
) -> DecisionOptions:
    """Options of a decision on these runs."""
    return parse_options(load(work, *runs), dataset.read(work), rule, choose, **flags)


def load_gate_runs(work: Work, *runs: str, members: Sequence[MemberFold] = ()) -> list[MemberFold]:
    """Gates in the folds of the members, or else of run a."""
    return load_gates(work, dataset.read(work), runs, members or load(work, "a"))


def begin_ensemble(
    work: Work, name: str, members: Sequence[MemberFold], search_weights: bool = False
) -> Draft:
    data = dataset.read(work)
    inputs = [data.artifact, *(member.probs for member in members)]
    config = ensemble_config(members, data, search_weights)
    draft = artifacts.begin(work.ensemble(name), config, inputs)
    assert draft
    return draft


def make_ensemble(
    work: Work,
    *runs: str,
    folds: Sequence[str] | None = None,
    weights: str = "equal",
    name: str = "mean",
) -> Artifact:
    data, members = dataset.read(work), load(work, *runs, folds=folds, weights=weights)
    search_weights = is_search(weights.split())
    draft = begin_ensemble(work, name, members, search_weights)
    if search_weights:
        members = find_weights(draft, members, data)
    return average(draft, members, data)


def make_decision(
    ensemble: Artifact,
    options: DecisionOptions,
    tag: str = "x",
    members: Sequence[MemberFold] = (),
) -> Decision:
    work = Work(ensemble.location.root)
    data = dataset.read(work)
    gates = load_gate_runs(work, *options.gate, members=members) if options.gate else []
    inputs = [ensemble, data.artifact, *(gate.probs for gate in gates)]
    draft = artifacts.begin(decision_path(ensemble, tag), options.config, inputs)
    assert draft
    return decide(draft, ensemble, data, options, members, gates)


def evaluate_on(ensemble: Artifact, options: DecisionOptions) -> Decision:
    """A decision without gates, which is not written."""
    features = gate_features(ensemble, [], options) if options.wants_p_positive else None
    sample = read_sample(ensemble, dataset.read(Work(ensemble.location.root)), features)
    assert sample
    decision = evaluate(sample, options, tune(sample, options.fitter))
    return decision


def decision_path(ensemble: Artifact, tag: str = "x") -> ArtifactPath:
    name = ensemble.location.folder.name
    return Work(ensemble.location.root).decision(f"{name}-{tag}")


def read_p_positive(artifact: Artifact) -> dict[str, float]:
    """p(positive) by ImageId, from class.csv."""
    table = csv_files.read(artifact.path("class.csv"), ("ImageId", "p"))
    return dict(zip(table["ImageId"], table["p"].astype(float), strict=True))


def mean_dice(
    ensemble: Artifact,
    rule: DecisionRule,
    truth: Mapping[str, np.ndarray] = TRUTH,
    p_positive: Mapping[str, float] | None = None,
) -> float:
    """The out-of-fold Dice that anyone gets by applying a rule to the maps."""
    p_positive = read_p_positive(ensemble) if p_positive is None else p_positive
    dice = []
    for image_id, true in truth.items():
        values = images.read_png(ensemble.path(map_file("oof", image_id)))
        mask = rule.apply(values, p_positive.get(image_id))
        dice.append(metrics.dice(*metrics.areas(mask, true)))
    return float(np.mean(dice))
