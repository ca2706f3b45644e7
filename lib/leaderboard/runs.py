"""Runs that have maps, and those that cannot be measured, with the reason."""

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
from lib.layout import ALL_DATA, CLASSES, FLIP, NO_FLIP, NO_FLIP_SUFFIX, Fold, Work
from lib.recipes import Recipe
from lib.recipes.serialize import from_dict

HISTORY, AVERAGES = "history.csv", "averages.csv"
Key = tuple[str, str]  # a run's name, and with or without flips


@dataclass(frozen=True)
class FoldRun:
    """One fold: what was trained, and its maps."""

    fold: Fold
    run: Artifact
    probs: Artifact


@dataclass(frozen=True)
class Run:
    """The maps of a run, of all folds that are whole.

    Attributes:
        tta: with or without flips.
        parts: a fold each; all-data only if there is no other.
        loss: on the validation images, the mean over folds; NaN if nothing was held out.
    """

    name: str
    tta: str
    recipe: Recipe
    parts: tuple[FoldRun, ...]
    loss: float

    @property
    def title(self) -> str:
        return self.name if self.tta == FLIP else f"{self.name}, no flips"

    @property
    def rule(self) -> ThresholdRule:
        """The recipe's published rule, without its class gate if there are no probabilities."""
        rule = self.recipe.rule
        return rule if self.classes else replace(rule, class_min=None)

    @cached_property
    def classes(self) -> dict[str, float]:
        """p(positive) by image, the mean over folds; empty without an image-level output."""
        paths = [part.probs.path(CLASSES) for part in self.parts]
        rows = pd.concat([csv_files.read(path, ("ImageId", "p")) for path in paths])
        means = rows["p"].astype(float).groupby(rows["ImageId"]).mean()
        return {str(name): p for name, p in means.items()}


@dataclass
class RunIndex:
    """What lies under WORK.

    Attributes:
        runs: what can be measured.
        left_out: why something of a run cannot be, by the run's name.
    """

    runs: dict[Key, Run] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def find(work: Work) -> RunIndex:
    """Open the maps of every run; what is unfinished or damaged is left out, with the reason."""
    found = RunIndex()
    for (name, tta), folders in _folders(work).items():
        parts = []
        for folder in folders:
            try:
                parts.append(_part(work, name, folder, tta))
            except InputError as error:
                found.left_out[name].append(str(error))
        try:
            found.runs |= {(name, tta): _run(name, tta, parts)} if parts else {}
        except InputError as error:
            found.left_out[name].append(str(error))
    return found


def valid_loss(run: Artifact, recipe: Recipe) -> float:
    """The validation loss of what a fold kept, the first of several; NaN if none was held out."""
    keep = recipe.phases[-1].keep
    rows = csv_files.read(run.path(AVERAGES if keep.merges else HISTORY), ("phase",))
    if "valid_loss" not in rows:
        return float("nan")
    rows = rows[rows["phase"].astype(float) == len(recipe.phases) - 1]
    if keep.strategy == "best" and not keep.merges:
        rows = rows.astype({"score": float, "epoch": float}).sort_values(["score", "epoch"])
    return float(rows["valid_loss"].iloc[-1])


def _folders(work: Work) -> dict[Key, list[str]]:
    """The folds of every run, with and without flips; those without maps count with flips."""
    trained, mapped = defaultdict(set), defaultdict(set)
    for name, fold in _below(work, "run"):
        trained[name].add(fold)
    for name, fold in _below(work, "probs"):
        plain = name.removesuffix(NO_FLIP_SUFFIX)
        mapped[plain, FLIP if plain == name else NO_FLIP].add(fold)
    for name in trained.keys() - {name for name, _ in mapped}:
        mapped[name, FLIP] = set()
    return {key: sorted(folds | trained[key[0]]) for key, folds in sorted(mapped.items())}


def _below(work: Work, kind: str) -> Iterator[tuple[str, str]]:
    """Name and fold of every folder of a kind, unfinished ones too."""
    for folder in layout.artifact_folders(work.root, kind):
        yield folder.parent.name, folder.name.removesuffix(layout.UNFINISHED)


def _part(work: Work, name: str, folder: str, tta: str) -> FoldRun:
    fold = layout.parse_fold(folder.removeprefix("fold"))
    run = artifacts.read(work.run(name, fold))
    return FoldRun(fold, run, artifacts.read_chained(work.probs(name, fold, tta)))


def _run(name: str, tta: str, parts: list[FoldRun]) -> Run:
    recipe = from_dict(parts[0].run.config["recipe"])
    for part in parts:
        if part.run.config["recipe"] != parts[0].run.config["recipe"]:
            raise InputError(
                f"{part.run.location} has another recipe than {parts[0].run.location}; "
                "train one of them under another --name"
            )
    kept = [part for part in parts if part.fold != ALL_DATA] or parts
    loss = np.mean([valid_loss(part.run, recipe) for part in kept])
    return Run(name, tta, recipe, tuple(kept), float(loss))
