"""Runs that are evaluated, and runs that are skipped with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest

from lib.layout import Work
from lib.leaderboard.leaderboard import Leaderboard
from lib.leaderboard.runs import index_runs, valid_loss
from lib.recipes.schema import Keep
from tests import fakes
from tests.leaderboard.builders import RECIPE, add_run, metrics_of

KEPT = [(0, 0, 9.0, 0.1, 0.99), (1, 0, 5.0, 0.2, 0.7), (1, 1, 4.0, 0.3, 0.7), (1, 2, 3.0, 0.4, 0.6)]


@pytest.mark.parametrize(
    ("keep", "loss"),
    [
        pytest.param(Keep(), 4.0, id="the-best-score-of-the-last-phase-the-later-of-equals"),
        pytest.param(Keep(count=2), 4.0, id="the-first-of-several"),
        pytest.param(Keep("last"), 3.0, id="the-last"),
        pytest.param(Keep("epochs", 2, epochs=(0, 1)), 4.0, id="the-last-named-one"),
        pytest.param(Keep("swa", count=2), 2.0, id="the-average"),
        pytest.param(Keep(count=2, average="weights"), 2.0, id="the-average-of-the-best"),
    ],
)
def test_the_loss_is_that_of_the_kept_checkpoint(work: Work, keep: Keep, loss: float) -> None:
    columns = ("phase", "epoch", "valid_loss", "train_loss", "score")
    history = [dict(zip(columns, row, strict=True)) for row in KEPT]
    averages = [
        {"phase": 0, "epochs": 0, "valid_loss": 8.0}, {"phase": 1, "epochs": 1, "valid_loss": 2.0}
    ]  # fmt: skip
    phase = RECIPE.phases[0]
    recipe = replace(RECIPE, phases=(phase, replace(phase, keep=keep)))
    training = fakes.make_run(work, "mine", 0, recipe, history, averages if keep.merges else ())
    assert valid_loss(training, recipe) == loss


def test_the_loss_is_the_mean_over_folds(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work)
    for fold, loss in ((0, 1.0), (1, 2.0)):
        history = [{"phase": 0, "epoch": 0, "valid_loss": loss, "score": 0.5}]
        fakes.make_run(work, "mine", fold, RECIPE, history)
        fakes.make_probs(work, "mine", fold)
    assert metrics_of(Leaderboard(work), "mine").loss() == 1.5


@pytest.mark.parametrize(("kind", "script"), [("run", "02_train.py"), ("probs", "03_infer.py")])
def test_an_unfinished_artifact_is_skipped_and_named(work: Work, kind: str, script: str) -> None:
    add_run(work, "mine")
    add_run(work, "other")
    location = getattr(work, kind)("other", 0)
    location.folder.rename(location.partial)
    index = index_runs(work)
    assert [name for name, _ in index.runs] == ["mine"]
    (reason,) = index.skipped["other"]
    assert reason.startswith(f"{location} is unfinished")
    assert script in reason


def test_a_run_without_maps_is_skipped_and_named(work: Work) -> None:
    fakes.make_run(work, "mine", 0, RECIPE)
    (reason,) = index_runs(work).skipped["mine"]
    assert reason.startswith("probs/mine/fold0 ")
    assert "03_infer.py" in reason


def test_maps_with_other_flips_than_the_recipes_are_another_run_by_title(work: Work) -> None:
    for recipe in (RECIPE, replace(RECIPE, name="plain", tta="none")):
        for tta in ("flip", "none"):
            add_run(work, recipe.name, recipe, tta=tta)
    titles = {key: run.title for key, run in index_runs(work).runs.items()}
    assert titles == {
        ("mine", "flip"): "mine", ("mine", "none"): "mine, no flips",
        ("plain", "none"): "plain", ("plain", "flip"): "plain, flips",
    }  # fmt: skip
    assert work.probs("plain", 0, "flip").folder.exists()


def test_maps_of_another_training_are_skipped(work: Work) -> None:
    add_run(work, "mine")
    location = work.run("mine", 0)
    location.folder.rename(location.root / "old")
    fakes.make_run(work, "mine", 0, replace(RECIPE, seed=1))
    index = index_runs(work)
    assert not index.runs
    (reason,) = index.skipped["mine"]
    assert "probs/mine/fold0" in reason
    assert "runs/mine/fold0" in reason


def test_folds_of_different_recipes_are_skipped(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work)
    for fold in (0, 1):
        fakes.make_run(work, "mine", fold, replace(RECIPE, seed=fold))
        fakes.make_probs(work, "mine", fold)
    index = index_runs(work)
    assert not index.runs
    (reason,) = index.skipped["mine"]
    assert "runs/mine/fold1 has another recipe than runs/mine/fold0; " in reason


def test_a_run_that_lacks_its_history_is_skipped(work: Work) -> None:
    phase = replace(RECIPE.phases[0], keep=Keep("swa"))
    add_run(work, "mine", replace(RECIPE, phases=(phase,)))
    (reason,) = index_runs(work).skipped["mine"]
    assert "runs/mine/fold0" in reason
    assert "averages.csv" in reason
