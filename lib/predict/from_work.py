"""The system of a decision in WORK: its networks, weights, gate and rule."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lib import artifacts, csv_files, dataset, layout
from lib.artifacts import Artifact
from lib.decision import schema
from lib.decision.schema import DECISION_FILE, Decision
from lib.decision.tuning import stacked_gate
from lib.ensemble.decide import gate_features, read_sample
from lib.ensemble.members import EQUAL, MEMBERS_COLUMNS, MEMBERS_FILE, SEARCH, load_members
from lib.ensemble.options import STACK
from lib.errors import InputError
from lib.layout import FLIP, Fold, Work, fold_name
from lib.predict.system import GateRuns, TrainedNetwork, TrainedSystem
from lib.recipes import serialize

SCORES = ("images", "oof_dice", "cross_fitted_dice", "cross_fitted_reason", "ci95")


def load(work: Work, name: str) -> TrainedSystem:
    """Return the system of WORK/decisions/<name>.

    Every input that is still under WORK must be the one that the decision was made from.

    Raises:
        InputError: if the decision, its ensemble or a run is missing, damaged or remade since.
    """
    artifact = artifacts.read_chained(work.decision(name))
    decision = schema.load(artifact.path(DECISION_FILE))
    ensemble = artifacts.read_chained(work.ensemble(artifact.input_name("ensembles")))
    table = csv_files.read(ensemble.path(MEMBERS_FILE), MEMBERS_COLUMNS[:3])
    members = [
        (run, layout.parse_fold(fold), float(weight))
        for run, fold, weight in zip(*(table[key] for key in MEMBERS_COLUMNS[:3]), strict=True)
    ]
    weights = np.array([weight for _, _, weight in members])
    # Searched weights are for maps alone: see lib.ensemble.average.
    is_searched = ensemble.config["weights"] == SEARCH
    runs = {run for run, _, _ in members}
    paths: dict[str, Path] = {}
    networks = []
    for (run, fold, weight), map_weight in zip(members, weights / weights.sum(), strict=True):
        p_weight = 1 / len(runs) if is_searched else weight
        networks.append(_network(work, run, fold, float(map_weight), p_weight, paths))
    folds = dict.fromkeys(fold for _, fold, _ in members)
    for run in decision.gate:
        if run not in runs:
            networks += [_network(work, run, fold, 0, 0, paths) for fold in folds]
    used = [n for n in networks if n.map_weight or n.p_weight or n.run in decision.gate]
    all_empty = {"all_empty_dice": decision.all_empty_dice if decision.confusion else None}
    return TrainedSystem(
        name=name,
        frame_px=ensemble.config["rle_size"],
        rule_name=decision.rule_name,
        rule=decision.rule,
        networks=tuple(used),
        gate=_gate(work, decision, ensemble, folds) if decision.gate else None,
        scores={key: getattr(decision, key) for key in SCORES} | all_empty,
        paths={name: paths[name] for network in used for name in network.checkpoints},
    )


def _network(
    work: Work, name: str, fold: Fold, map_weight: float, p_weight: float, paths: dict[str, Path]
) -> TrainedNetwork:
    """Open one fold of a run, and add the files of its checkpoints to `paths`."""
    run_name, tta = layout.split_tta(name)
    if work.probs(name, fold).folder.exists():  # may be deleted once they are averaged
        artifacts.read_chained(work.probs(name, fold))  # refuses a run that was trained again
    run = artifacts.read(work.run(run_name, fold))
    recipe = serialize.from_dict(run.config["recipe"])
    checkpoints = {}
    for file in sorted(file for file in run.files if file.startswith("weights/")):
        checkpoint = f"weights/{run_name}/{fold_name(fold)}/{Path(file).name}"
        checkpoints[checkpoint] = run.files[file]["sha256"]
        paths[checkpoint] = run.path(file)
    if not checkpoints:
        raise InputError(
            f"{run.location} has no weights; train it again with {run.location.command} --replace"
        )
    flip = (tta or recipe.tta) == FLIP
    return TrainedNetwork(name, fold, flip, recipe, checkpoints, map_weight, p_weight)


def _gate(work: Work, decision: Decision, ensemble: Artifact, folds: Iterable[Fold]) -> GateRuns:
    """Return the gate of a decision; a stack is fitted again, to the same coefficients."""
    if decision.gate_fit != STACK:
        return GateRuns(decision.gate)
    data = dataset.read(work)
    gates = load_members(work, data, decision.gate, [str(fold) for fold in folds], [EQUAL])
    sample = read_sample(ensemble, data, gate_features(ensemble, gates, STACK))
    assert sample is not None
    assert sample.features is not None
    return GateRuns(decision.gate, stacked_gate(sample.features, sample.histograms.positive))
