"""Runs that have maps, and runs that are skipped, with the reason."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from lib import artifacts, csv_files, layout
from lib.artifacts import Artifact
from lib.decision.rules import ThresholdRule
from lib.errors import InputError
from lib.layout import ALL_DATA, CLASSES, FLIP, Fold, Work
from lib.recipes import Recipe
from lib.recipes.serialize import from_dict

HISTORY, AVERAGES = "history.csv", "averages.csv"
RunKey = tuple[str, str]  # a run's name, and FLIP or NO_FLIP


@dataclass(frozen=True)
class FoldRun:
    """One fold of a run: its training and its maps."""

    fold: Fold
    training: Artifact
    probs: Artifact


@dataclass(frozen=True)
class Run:
    """The finished folds of a run, with or without flips.

    Attributes:
        tta: FLIP or NO_FLIP, the recipe's or the other one.
        fold_runs: all-data only if there is no other fold.
        loss: validation loss, the mean over folds; NaN without validation images.
    """

    name: str
    tta: str
    recipe: Recipe
    fold_runs: tuple[FoldRun, ...]
    loss: float

    @property
    def title(self) -> str:
        if self.tta == self.recipe.tta:
            return self.name
        return f"{self.name}, {'flips' if self.tta == FLIP else 'no flips'}"

    @property
    def trainings(self) -> list[Artifact]:
        return [fold_run.training for fold_run in self.fold_runs]

    @property
    def inferences(self) -> list[Artifact]:
        return [fold_run.probs for fold_run in self.fold_runs]

    @property
    def rule(self) -> ThresholdRule:
        """The recipe's published rule, without its class gate if there are no probabilities."""
        rule = self.recipe.rule
        return rule if self.p_positive else replace(rule, class_min=None)

    @cached_property
    def p_positive(self) -> dict[str, float]:
        """p(positive) by ImageId, the mean over folds; empty without an image-level output."""
        paths = [probs.path(CLASSES) for probs in self.inferences]
        rows = pd.concat([csv_files.read(path, ("ImageId", "p")) for path in paths])
        means = rows["p"].astype(float).groupby(rows["ImageId"]).mean()
        return {str(name): p for name, p in means.items()}


@dataclass
class RunIndex:
    """All runs of a working folder.

    Attributes:
        runs: those that can be evaluated.
        skipped: reasons why a run, or a part of it, cannot be evaluated, by the run's name.
    """

    runs: dict[RunKey, Run] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def index_runs(work: Work) -> RunIndex:
    """Open the maps of every run; skip unfinished and damaged ones, with the reason."""
    index = RunIndex()
    for (name, tta), folders in _fold_folders(work).items():
        fold_runs = []
        for folder in folders:
            try:
                fold_runs.append(_open_fold(work, name, folder, tta))
            except InputError as error:
                index.skipped[name].append(str(error))
        try:
            if fold_runs:
                run = _join_folds(name, fold_runs)
                index.runs[name, run.tta] = run
        except InputError as error:
            index.skipped[name].append(str(error))
    return index


def valid_loss(training: Artifact, recipe: Recipe) -> float:
    """Return the validation loss of the kept checkpoint, the first of several; NaN if unknown."""
    keep = recipe.phases[-1].keep
    rows = csv_files.read(training.path(AVERAGES if keep.merges else HISTORY), ("phase",))
    if "valid_loss" not in rows:
        return float("nan")
    rows = rows[rows["phase"].astype(float) == len(recipe.phases) - 1]
    if keep.strategy == "epochs" and not keep.merges:
        rows = rows[rows["epoch"].astype(float) == keep.epochs[-1]]
    if keep.strategy == "best" and not keep.merges:
        rows = rows.astype({"score": float, "epoch": float}).sort_values(["score", "epoch"])
    return float(rows["valid_loss"].iloc[-1])


def _fold_folders(work: Work) -> dict[tuple[str, str | None], list[str]]:
    """Return the fold folders by run and flips (None: the recipe's), without maps too."""
    trained, mapped = defaultdict(set), defaultdict(set)
    for name, folder in _folders(work, "run"):
        trained[name].add(folder)
    for name, folder in _folders(work, "probs"):
        mapped[layout.split_tta(name)].add(folder)
    for name in trained.keys() - {name for name, _ in mapped}:
        mapped[name, None] = set()
    in_order = sorted(mapped.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    return {key: sorted(folders | trained[key[0]]) for key, folders in in_order}


def _folders(work: Work, kind: str) -> Iterator[tuple[str, str]]:
    """Yield run and fold folder of every artifact of a kind, unfinished ones too."""
    for folder in layout.artifact_folders(work.root, kind):
        yield folder.parent.name, folder.name.removesuffix(layout.UNFINISHED)


def _open_fold(work: Work, name: str, folder: str, tta: str | None) -> FoldRun:
    fold = layout.parse_fold(folder.removeprefix("fold"))
    training = artifacts.read(work.run(name, fold))
    return FoldRun(fold, training, artifacts.read_chained(work.probs(name, fold, tta)))


def _join_folds(name: str, fold_runs: list[FoldRun]) -> Run:
    """Return the run of these folds.

    Raises:
        InputError: if their recipes differ, or if a history is missing.
    """
    first = fold_runs[0].training
    recipe = from_dict(first.config["recipe"])
    for fold_run in fold_runs:
        if fold_run.training.config["recipe"] != first.config["recipe"]:
            raise InputError(
                f"{fold_run.training.location} has another recipe than {first.location}; "
                "train one of them under another --name"
            )
    kept = [fold_run for fold_run in fold_runs if fold_run.fold != ALL_DATA] or fold_runs
    loss = np.mean([valid_loss(fold_run.training, recipe) for fold_run in kept])
    return Run(name, kept[0].probs.config["tta"], recipe, tuple(kept), float(loss))
