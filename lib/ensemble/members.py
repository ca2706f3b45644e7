"""The members of an ensemble: maps of runs and folds, loaded and checked."""

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from lib import artifacts, csv_files, layout
from lib.artifacts import Artifact
from lib.dataset import Dataset
from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.layout import (
    ALL_DATA,
    CLASSES,
    ArtifactPath,
    Fold,
    Work,
    fold_name,
    map_file,
    parse_fold,
    parse_folds,
)  # fmt: skip
from lib.prob_maps import read_map

EQUAL, SEARCH = "equal", "search"  # values of --weights
MEMBERS_FILE = "members.csv"
MEMBERS_COLUMNS = (
    "member", "fold", "weight", "id", "has_oof", "has_p_positive", "ranked", "recipe_rule",
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One fold of a run, as an ensemble records it: its maps may be deleted later.

    Attributes:
        run: name of the run.
        weight: of the run; the weights of all runs sum to 1.
        id: of its maps.
        has_oof: True if it has maps of labelled images.
        has_p_positive: True if image probabilities come from it: an image head, and no weight of 0.
        ranked: True if its out-of-fold images ranked the checkpoints; None if the maps do not say.
        recipe_rule: the published rule of its recipe.
    """

    run: str
    fold: Fold
    weight: float
    id: str
    has_oof: bool
    has_p_positive: bool
    ranked: bool | None
    recipe_rule: ThresholdRule


@dataclass(frozen=True)
class MemberFold(Member):
    """One fold of a run with its maps.

    Attributes:
        p_positive: ImageId and p(positive), as text; no rows without an image head.
    """

    probs: Artifact
    p_positive: pd.DataFrame = field(repr=False, compare=False)

    @cached_property
    def maps(self) -> list[str]:
        """Its maps, as oof/<ImageId>.png and test/<ImageId>.png."""
        return sorted(file for file in self.probs.files if file.endswith(".png"))

    @property
    def remake_command(self) -> str:
        return f"run {self.probs.location.command} --replace"


def load_members(
    work: Work,
    dataset: Dataset,
    runs: Sequence[str],
    folds: Sequence[str] | None,
    weights: Sequence[str],
) -> list[MemberFold]:
    """Load the maps of every run and fold, and check that all cover the dataset's images.

    Args:
        runs: names of the members.
        folds: folds of every member; None: the numbered folds of the first member, or all-data if
            it has none.
        weights: "equal", a number for each member, or "search" (equal until they are found).

    Raises:
        InputError: if maps are missing, are of other images than the dataset has in that fold, or
            cannot be the frame's; if the weights are not valid, or cannot be searched.
    """
    for run in runs:
        if runs.count(run) > 1:
            raise InputError(f"member {run} is given twice; give it once")
    weight_of = _parse_weights(weights, runs)
    chosen_folds = parse_folds(folds) if folds else _folds_of(work, runs[0])
    _check_all_data(work, runs, chosen_folds)
    members = []
    for run in runs:
        for fold in chosen_folds:
            if dataset.folds:
                dataset.check_fold(fold)
            members.append(_load_member(work, run, fold, weight_of[run]))
            _check_maps(members[-1], dataset)
    if is_search(weights) and not any(member.has_oof for member in members):
        raise InputError(
            "there are no out-of-fold maps of labelled images to search weights on; "
            "state them, or leave --weights out for equal ones"
        )
    return members


def save_members(path: Path, members: Iterable[Member]) -> None:
    """Write members.csv: a row for each run and fold."""
    rows = [
        (member.run, member.fold, member.weight, member.id,
         *map(json.dumps, (member.has_oof, member.has_p_positive, member.ranked)),
         json.dumps(asdict(member.recipe_rule)))
        for member in members
    ]  # fmt: skip
    csv_files.write(path, pd.DataFrame(rows, columns=MEMBERS_COLUMNS))


def recorded_members(
    work: Work, name: str, runs: Sequence[str], folds: Sequence[str] | None, weights: Sequence[str]
) -> list[Member]:
    """Return the members that a finished ensemble records, so that no maps need be read.

    Args:
        name: of the ensemble.
        runs, folds, weights: as in `load_members`; if maps of the ensemble were deleted, its folds
            are the default.

    Returns:
        Nothing if the ensemble is missing, unfinished, damaged, made from others than requested or
        than those now under WORK, or records less.
    """
    try:
        ensemble = artifacts.read_chained(work.ensemble(name))
        table = csv_files.read(ensemble.path(MEMBERS_FILE), MEMBERS_COLUMNS)
    except InputError:
        return []
    members = [
        Member(run, parse_fold(fold), float(weight), id_, json.loads(oof), json.loads(p),
               json.loads(ranked), ThresholdRule(**json.loads(rule)))
        for run, fold, weight, id_, oof, p, ranked, rule in table[[*MEMBERS_COLUMNS]].to_numpy()
    ]  # fmt: skip
    config = ensemble.config
    is_deleted = not all(work.probs(member.run, member.fold).folder.exists() for member in members)
    default = config["folds"] if is_deleted else _folds_of(work, runs[0])
    requested = {
        "members": list(runs),
        "folds": [parse_fold(fold) for fold in folds] if folds else default,
        "weights": SEARCH if is_search(weights) else list(_parse_weights(weights, runs).values()),
    }
    return members if requested.items() <= config.items() else []


def load_gates(
    work: Work, dataset: Dataset, runs: Sequence[str], members: Sequence[Member]
) -> list[MemberFold]:
    """Load the runs that are used for p(positive) only, in the folds of the members.

    Raises:
        InputError: if a run does not fit the dataset, or has no image head.
    """
    if not runs:
        return []
    folds = [str(fold) for fold in dict.fromkeys(member.fold for member in members)]
    for location in (work.probs(run, parse_fold(fold)) for run in runs for fold in folds):
        if not location.folder.exists():
            raise InputError(
                f"--gate: {location} does not exist, and an ensemble keeps no image probabilities "
                f"of gates; run {location.command}"
            )
    gates = load_members(work, dataset, runs, folds, [EQUAL])
    for gate in gates:
        if not gate.has_p_positive:
            raise InputError(
                f"--gate {gate.run}: {gate.probs.location} has no image probabilities; "
                "name a run whose recipe has an image head"
            )
    return gates


def describe_missing_folds(work: Work, members: Sequence[Member]) -> list[str]:
    """Return a line for each run with trained folds that the ensemble lacks."""
    used = list(dict.fromkeys(member.fold for member in members))
    lines = []
    for run in dict.fromkeys(member.run for member in members):
        trained = _numbered_folds(work.run(layout.split_tta(run)[0], 0))
        missing = [fold for fold in trained if fold not in used]
        if missing and used != [ALL_DATA]:
            lines.append(
                f"trained folds of {run} that the ensemble lacks: {' '.join(map(str, missing))}; "
                f"for an ensemble of another name with them: {_infer_command(work, run, missing)}"
            )
    return lines


def describe_mixed_recipes(work: Work, members: Sequence[Member]) -> list[str]:
    """Return a line for each run whose folds were trained with different recipes.

    Runs that are not on this machine are not compared.
    """
    trained: dict[str, Artifact] = {}
    mixed: dict[str, str] = {}
    for member in members:
        location = work.run(layout.split_tta(member.run)[0], member.fold)
        if location.folder.exists():
            artifact = artifacts.read(location)
            first = trained.setdefault(member.run, artifact)
            if artifact.config["recipe"] != first.config["recipe"]:
                mixed[member.run] = f"{location} has another recipe than {first.location}"
    return [f"warning: {line}, and their maps are averaged as one run" for line in mixed.values()]


def is_search(weights: Sequence[str]) -> bool:
    """Return True if --weights asks for a search."""
    return list(weights) == [SEARCH]


def _parse_weights(weights: Sequence[str], runs: Sequence[str]) -> dict[str, float]:
    """Return the weight of each run; they sum to 1."""
    if list(weights) == [EQUAL] or is_search(weights):
        return dict.fromkeys(runs, 1 / len(runs))
    try:
        numbers = [float(weight) for weight in weights]
    except ValueError:
        numbers = []
    total = sum(numbers)
    if len(numbers) != len(runs) or min(numbers) < 0 or not 0 < total < math.inf:
        raise InputError(
            f"weights {' '.join(weights)} for {len(runs)} members; give {EQUAL}, {SEARCH}, or a "
            "number for each, none negative, of a positive sum"
        )
    return {run: number / total for run, number in zip(runs, numbers, strict=True)}


def _load_member(work: Work, run: str, fold: Fold, weight: float) -> MemberFold:
    """Open the maps of one fold of a run."""
    probs = artifacts.read_chained(work.probs(run, fold))
    p_positive = csv_files.read(probs.path(CLASSES), ("ImageId", "p"))[["ImageId", "p"]]
    return MemberFold(
        run,
        fold,
        weight,
        probs.id,
        has_oof=any(file.startswith("oof/") for file in probs.files),
        has_p_positive=weight > 0 and not p_positive.empty,
        ranked=probs.config.get("ranked"),
        recipe_rule=ThresholdRule(**probs.config["rule"]),
        probs=probs,
        p_positive=p_positive,
    )


def _folds_of(work: Work, run: str) -> list[Fold]:
    """Return the numbered folds that have maps; all-data if there are none."""
    all_data = work.probs(run, ALL_DATA)
    numbered = _numbered_folds(all_data)
    if not numbered and not all_data.folder.exists():
        raise InputError(f"there are no maps of {run}; run {_infer_command(work, run)}")
    return numbered or [ALL_DATA]


def _numbered_folds(location: ArtifactPath) -> list[Fold]:
    """Return the finished folds beside an artifact of a run, sorted."""
    numbers = [path.name.removeprefix("fold") for path in location.folder.parent.glob("fold*")]
    return sorted(int(number) for number in numbers if number.isdecimal())


def _infer_command(work: Work, run: str, folds: Sequence[Fold] = ()) -> str:
    """Return the command that makes the maps of a member; of all trained folds by default."""
    words = shlex.split(work.probs(run, ALL_DATA).command)
    return layout.set_flags(words, {"--folds": folds})


def _check_all_data(work: Work, runs: Sequence[str], folds: Sequence[Fold]) -> None:
    """Raise InputError for all-data runs among runs of folds.

    They have no out-of-fold maps, so a rule fitted without them would be applied to their maps.
    """
    with_all_data = [run for run in runs if work.probs(run, ALL_DATA).folder.exists()]
    only = [run for run in with_all_data if not _numbered_folds(work.probs(run, ALL_DATA))]
    missing = [run for run in runs if run not in with_all_data]
    if not only or (list(folds) == [ALL_DATA] and not missing):
        return
    cure = f"leave {' '.join(only)} out, or give --folds {ALL_DATA} --params-from DECISION"
    if missing:
        commands = [
            location.command
            for run in missing
            for location in (
                work.run(layout.split_tta(run)[0], ALL_DATA), work.probs(run, ALL_DATA)
            )
        ]  # fmt: skip
        cure += f", after {', '.join(commands)}"
    raise InputError(
        f"{' '.join(only)} has maps of {ALL_DATA} only, without out-of-fold maps to decide on, and "
        f"all members need the same folds; {cure}"
    )


def _check_maps(member: MemberFold, dataset: Dataset) -> None:
    """Raise InputError for maps that do not fit the dataset, before anything is written."""
    probs = member.probs
    # An out-of-fold map in another fold would come from a network that was trained on the image.
    oof_ids = dataset.validation_ids(member.fold) if dataset.folds else []
    expected = {map_file("oof", image_id) for image_id in oof_ids}
    expected |= {map_file("test", image_id) for image_id in dataset.test_ids}
    maps = set(member.maps)
    _check_no_files(f"{probs.location} lacks", expected - maps, member)
    _check_no_files(f"{fold_name(member.fold)} of the dataset lacks", maps - expected, member)
    _check_p_positive(member)
    ids = member.p_positive["ImageId"]
    if len(ids) and sorted(ids) != sorted(Path(file).stem for file in member.maps):
        raise InputError(
            f"{probs.location}/{CLASSES} is not of the maps beside it; {member.remake_command}"
        )
    if member.maps:  # all are of one size; each is checked again when it is read
        read_map(probs.path(member.maps[0]), dataset.rle_size)


def _check_p_positive(member: MemberFold) -> None:
    """Raise InputError for a p(positive) that is not a probability: a mean would ignore it."""
    table = member.p_positive
    is_valid = pd.to_numeric(table["p"], errors="coerce").between(0, 1)
    if not is_valid.all():
        image_id, p = table[~is_valid].iloc[0]
        raise InputError(
            f"{member.probs.location}/{CLASSES}: p of {image_id} is {p[:40]!r}, not a number "
            f"from 0 to 1; {member.remake_command}"
        )


def _check_no_files(problem: str, files: Iterable[str], member: MemberFold) -> None:
    """Raise InputError for files that only one side has, naming the first few."""
    names = sorted(files)
    if names:
        more = ", ..." if len(names) > 3 else ""
        raise InputError(
            f"{problem} {len(names)} of the maps ({', '.join(names[:3])}{more}); "
            f"{member.remake_command}"
        )
