"""04_ensemble.py as a user runs it, on tiny maps."""

import subprocess
import sys
from pathlib import Path

import pytest

from lib import artifacts
from lib.decision import schema
from lib.decision.rules import ThresholdRule
from lib.layout import Work
from tests import fakes

ROOT = Path(__file__).resolve().parents[2]
TRUTH = fakes.masks(12)
RECIPE_RULE = ThresholdRule(0.6, 9, 0.35)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Two folds of runs a and b, of which b has an image head."""
    work = Work(tmp_path / "work")
    fakes.make_dataset(work, TRUTH)
    p = {i: 0.2 + 0.5 * mask.any() for i, mask in TRUTH.items()} | {"test0": 0.3, "test1": 0.7}
    for seed, (run, classes) in enumerate({"a": None, "b": p}.items()):
        for fold in (0, 1):
            fakes.make_probs(
                work, run, fold, TRUTH, classes=classes, seed=2 * seed + fold, rule=RECIPE_RULE
            )
    return work


def run(work: Work, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "04_ensemble.py", "--work", str(work.root), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def refusal(work: Work, *words: str) -> str:
    """The one line of a command that is refused."""
    done = run(work, *words)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_maps_are_averaged_once_and_decided_on_as_often_as_wanted(work: Work) -> None:
    flags = ["--members", "a", "b", "--name", "ab"]
    first = run(work, *flags)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("cross-fitted Dice 0.")
    assert first.stdout.rstrip().endswith(f"-> {work.decision('ab-triplet').folder}")
    again = run(work, *flags)
    assert again.stdout == "up to date: ensembles/ab\nup to date: decisions/ab-triplet\n"
    by_recipe = run(work, *flags, "--rule", "recipe")
    assert by_recipe.stdout.startswith("up to date: ensembles/ab\nDice 0.")
    assert "of the fixed rule on 12 images" in by_recipe.stdout
    words = ["top=.6", "min_area=9", "bottom=.35"]
    stated = run(work, *flags, "--params", *words, "--tag", "by-hand")
    assert stated.returncode == 0, stated.stderr
    tags = ("recipe", "by-hand")
    recipe, by_hand = (
        schema.load(work.decision(f"ab-{tag}").folder / "decision.json") for tag in tags
    )
    assert recipe.to_json() | {"rule": "params"} == by_hand.to_json()
    error = refusal(work, *flags, "--choose", "best")
    assert "choose" in error
    assert "plateau" in error
    assert "best" in error
    assert artifacts.verify(work.root) == []


def test_a_decision_behind_gates(work: Work) -> None:
    flags = ["--members", "a", "--name", "a", "--gate", "b"]
    done = run(work, *flags, "--rule", "gated", "--gate-fit", "stack")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cross-fitted Dice 0.")
    assert "class.csv" in artifacts.read(work.decision("a-gated")).files
    assert artifacts.verify(work.root) == []


def test_without_labels_a_rule_must_be_stated(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, {})
    fakes.make_probs(work, "a", 0, {}, rule=RECIPE_RULE)
    flags = ["--members", "a", "--name", "a"]
    assert "no out-of-fold maps" in refusal(work, *flags)
    assert not (tmp_path / "ensembles").exists()
    done = run(work, *flags, "--params", "top=.7", "min_area=800", "bottom=.3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a fixed rule, without a score: there are no labelled images")
    decision = schema.load(work.decision("a-params").folder / "decision.json")
    assert (decision.rule.levels, decision.rule.min_area) == ((178, 76), 800)
    assert decision.oof_dice is None
    assert run(work, *flags, "--rule", "recipe").returncode == 0
    decision = schema.load(work.decision("a-recipe").folder / "decision.json")
    assert decision.rule.to_json() == RECIPE_RULE.to_json()
