"""All runs of a working folder, each measured when the first table asks for it."""

from collections.abc import Iterable
from pathlib import Path

from lib import dataset
from lib.errors import InputError
from lib.layout import FLIP, NO_FLIP, Work
from lib.leaderboard.evaluate import (
    Labelled,
    RunMetrics,
    Truth,
    measure,
    out_of_fold,
    read_truth,
    tested,
)
from lib.leaderboard.runs import Key, Run, find
from lib.recipes.demo_variant import DEMO_SUFFIX


class Board:
    """What was run, on out-of-fold images or on the test images of a truth."""

    def __init__(self, work: Work, truth: Path | None = None) -> None:
        """Open what lies under WORK.

        Raises:
            InputError: if there is no dataset, or nothing to measure against.
        """
        self.dataset = dataset.read(work)
        if truth is None and not self.dataset.folds:
            raise InputError(
                f"{work.dataset} has no labels to measure against; give --truth CSV with the "
                "masks of test images"
            )
        self.truth: Truth | None = None
        self.ignored = 0  # ids of the truth that are no test images
        if truth:
            self.truth, self.ignored = read_truth(truth, self.dataset)
        self.found = find(work)
        self._measured: dict[Key, RunMetrics | None] = {}

    @property
    def scope(self) -> str:
        """What everything is measured on, in a line."""
        if self.truth is None:
            return "Measured on the labelled images of the folds that a run has, out of fold."
        without = len(self.dataset.test_ids) - len(self.truth)
        said = [f"Measured on {len(self.truth)} test images, on the mean of a run's folds"]
        said += [f"{without} test images without a truth do not count"] if without else []
        said += [f"{self.ignored} other ids of the truth are ignored"] if self.ignored else []
        return "; ".join(said) + "."

    def get(self, name: str, tta: str = FLIP) -> RunMetrics | None:
        """What a run scores; None if it has no such maps, or they are damaged."""
        if (name, tta) not in self._measured:
            run = self.found.runs.get((name, tta))
            self._measured[name, tta] = self._measure(run) if run else None
        return self._measured[name, tta]

    def everything(self) -> list[RunMetrics]:
        """All that can be measured."""
        measured = (self.get(*key) for key in self.found.runs)
        return [one for one in measured if one]

    def run_of(self, recipe: str) -> str | None:
        """The run that stands for a recipe: the one of its name, or else NAME_demo."""
        for name in (recipe, recipe + DEMO_SUFFIX):
            run = self._run(name)
            if run and run.recipe.name == name:  # else it is a variant, whatever it is called
                return name
        return None

    def of_recipe(self, recipe: str, tta: str = FLIP) -> RunMetrics | None:
        """What the run that stands for a recipe scores."""
        name = self.run_of(recipe)
        return self.get(name, tta) if name else None

    def notes(self, names: Iterable[str]) -> list[str]:
        """What is special about these runs, and why others of these names are left out."""
        said = []
        for name in names:
            reasons = dict.fromkeys(self.found.left_out[name])
            said += [f"Left out of {name}: {reason}." for reason in reasons]
            one = self.get(name) or self.get(name, NO_FLIP)
            if one and one.run.rule != one.run.recipe.rule:
                gate = f"class gate of {one.run.recipe.rule.class_min:g}"
                said.append(f"{name} has no image probabilities: its {gate} is left out.")
        return said

    def notes_on(self, recipes: Iterable[str]) -> list[str]:
        """The notes on all runs that could stand for these recipes, and on those that do not."""
        said = []
        for recipe in recipes:
            said += self.notes([recipe, recipe + DEMO_SUFFIX])
            standing = self.run_of(recipe)
            for name in (recipe, recipe + DEMO_SUFFIX):
                run = self._run(name)
                if run and run.recipe.name != name:
                    said.append(f"{name} is not in this table: its recipe is {run.recipe.name}.")
                elif run and name != standing:
                    said.append(f"{name} is there too, and not in this table: {standing} stands "
                                "for it.")  # fmt: skip
        return said

    def _run(self, name: str) -> Run | None:
        """A run, with flips if it has such maps."""
        return self.found.runs.get((name, FLIP)) or self.found.runs.get((name, NO_FLIP))

    def _measure(self, run: Run) -> RunMetrics | None:
        try:
            images = self._images(run)
            if not images:
                raise InputError(
                    f"{run.title} was trained on all data, so nothing is out of fold; give --truth"
                )
            return measure(run, images, self.dataset.rle_size)
        except InputError as error:
            self.found.left_out[run.name].append(str(error))
            return None

    def _images(self, run: Run) -> list[Labelled]:
        if self.truth is None:
            return out_of_fold(run, self.dataset)
        return tested(run, self.dataset, self.truth)
