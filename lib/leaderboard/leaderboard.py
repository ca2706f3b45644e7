"""All runs of a working folder, each evaluated when the first table needs it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lib import dataset
from lib.errors import InputError
from lib.layout import FLIP, Work
from lib.leaderboard import evaluate
from lib.leaderboard.evaluate import RunMetrics, Truth
from lib.leaderboard.runs import Run, RunKey, index_runs
from lib.recipes.demo_variant import DEMO_SUFFIX


class Leaderboard:
    """Metrics of runs, on out-of-fold images or on the test images of a truth."""

    def __init__(self, work: Work, truth: Path | None = None) -> None:
        """Open the dataset and the runs.

        Args:
            work: the working folder.
            truth: CSV file with masks of test images; None to evaluate on out-of-fold images.

        Raises:
            InputError: if there is no dataset, or no labels to evaluate on.
        """
        self.work = work
        self.dataset = dataset.read(work)
        if truth is None and not self.dataset.folds:
            raise InputError(
                f"{work.dataset} has no labels to measure against; give --truth CSV with the "
                "masks of test images"
            )
        self.truth: Truth | None = None
        self.unknown_count = 0  # ids of the truth that are no test images
        if truth:
            self.truth, self.unknown_count = evaluate.read_truth(truth, self.dataset)
        self.index = index_runs(work)
        self._metrics: dict[RunKey, RunMetrics | None] = {}

    @property
    def scope(self) -> str:
        """A line that names the images of all figures."""
        if self.truth is None:
            return "Measured on the labelled images of the folds that a run has, out of fold."
        parts = [f"Measured on {len(self.truth)} test images, on the mean of a run's folds"]
        if missing := len(self.dataset.test_ids) - len(self.truth):
            parts.append(f"{missing} test images without a truth do not count")
        if self.unknown_count:
            parts.append(f"{self.unknown_count} other ids of the truth are ignored")
        return "; ".join(parts) + "."

    def metrics(self, name: str, tta: str | None = None) -> RunMetrics | None:
        """Return a run's metrics; None if it has no such maps, or if they are damaged.

        Args:
            name: of the run.
            tta: FLIP or NO_FLIP; None: as in the run's recipe.
        """
        run = self._run(name)
        if run is None:
            return None
        tta = tta or run.recipe.tta
        if (name, tta) not in self._metrics:
            run = self.index.runs.get((name, tta))
            self._metrics[name, tta] = self._evaluate(run) if run else None
        return self._metrics[name, tta]

    def all_metrics(self) -> list[RunMetrics]:
        """Return the metrics of every run that can be evaluated."""
        candidates = (self.metrics(*key) for key in self.index.runs)
        return [metrics for metrics in candidates if metrics]

    def recipe_run(self, recipe: str) -> str | None:
        """Return the run that stands for a recipe: the one of its name, or else NAME_demo."""
        for name in (recipe, recipe + DEMO_SUFFIX):
            run = self._run(name)
            if run and run.recipe.name == name:  # a variant may have the recipe's name
                return name
        return None

    def recipe_metrics(self, recipe: str, tta: str | None = None) -> RunMetrics | None:
        """Return the metrics of the run that stands for a recipe, by default with its flips."""
        name = self.recipe_run(recipe)
        return self.metrics(name, tta) if name else None

    def run_notes(self, names: Iterable[str]) -> list[str]:
        """Return notes on runs of these names: why they are skipped, or lack their class gate."""
        notes = []
        for name in names:
            reasons = dict.fromkeys(self.index.skipped[name])
            notes += [f"Left out of {name}: {reason}." for reason in reasons]
            run = self._run(name)
            metrics = self.metrics(name, run.tta) if run else None
            if metrics and metrics.run.rule != metrics.run.recipe.rule:
                gate = f"class gate of {metrics.run.recipe.rule.class_min:g}"
                notes.append(f"{name} has no image probabilities: its {gate} is left out.")
        return notes

    def recipe_notes(self, recipes: Iterable[str], ttas: Sequence[str] = ()) -> list[str]:
        """Return notes on all runs that stand for these recipes, or could but do not.

        Args:
            recipes: names.
            ttas: FLIP and NO_FLIP if the table has both; empty: the recipe's.
        """
        notes = []
        for recipe in recipes:
            notes += self.run_notes([recipe, recipe + DEMO_SUFFIX])
            chosen = self.recipe_run(recipe)
            notes += self._missing_maps(chosen, ttas) if chosen else []
            for name in (recipe, recipe + DEMO_SUFFIX):
                run = self._run(name)
                if run and run.recipe.name != name:
                    notes.append(f"{name} is not in this table: its recipe is {run.recipe.name}.")
                elif run and name != chosen:
                    notes.append(f"{name} is not in this table: {chosen} stands for this recipe.")
        return notes

    def _missing_maps(self, name: str, ttas: Sequence[str]) -> list[str]:
        """Return a note for each kind of maps that a table needs and a run does not have."""
        run = self._run(name)
        assert run
        notes = []
        for tta in ttas or [run.recipe.tta]:
            if (name, tta) not in self.index.runs:
                kind = "with" if tta == FLIP else "without"
                flag = "" if tta == run.recipe.tta else f" --tta {tta}"
                cure = f"run 03_infer.py --run {name}{flag}"
                notes.append(f"{name} has no maps {kind} flips; {cure}.")
        return notes

    def _run(self, name: str) -> Run | None:
        """Return a run with the flips of its recipe, or with others if it has no such maps."""
        runs = [run for (run_name, _), run in self.index.runs.items() if run_name == name]
        return max(runs, key=lambda run: run.tta == run.recipe.tta, default=None)

    def _evaluate(self, run: Run) -> RunMetrics | None:
        try:
            if self.truth is None:
                images = evaluate.oof_images(run, self.dataset)
            else:
                images = evaluate.test_images(run, self.dataset, self.truth)
            if not images:
                raise InputError(
                    f"{run.title} was trained on all data, so nothing is out of fold; give --truth"
                )
            return evaluate.evaluate_run(run, images, self.dataset.rle_size)
        except InputError as error:
            self.index.skipped[run.name].append(str(error))
            return None
