"""04_ensemble.py as a user runs it, on tiny maps."""

from pathlib import Path

import pytest

from lib import artifacts
from lib.decision import schema
from lib.decision.rules import ThresholdRule
from lib.decision.schema import Decision
from lib.layout import Work
from lib.recipes import RECIPES
from tests import fakes
from tests.stages import commands

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


def run(work: Work, *flags: str) -> str:
    return commands.run("04_ensemble.py", "--work", work.root, *flags).stdout


def refusal(work: Work, *flags: str) -> str:
    return commands.error_line("04_ensemble.py", "--work", work.root, *flags)


def load_decision(work: Work, name: str) -> Decision:
    return schema.load(work.decision(name).folder / schema.DECISION_FILE)


def test_maps_are_averaged_once_and_decided_on_as_often_as_wanted(work: Work) -> None:
    flags = ["--members", "a", "b", "--name", "ab"]
    first = run(work, *flags)
    assert first.startswith("cross-fitted Dice 0.")
    assert first.rstrip().endswith(f"-> {work.decision('ab-triplet').folder}")
    up_to_date = "up to date: ensembles/ab\nup to date: decisions/ab-triplet\n"
    assert run(work, *flags) == up_to_date + first
    by_recipe = run(work, *flags, "--rule", "recipe")
    assert by_recipe.startswith("up to date: ensembles/ab\nDice 0.")
    assert "of the fixed rule on 12 images" in by_recipe
    run(work, *flags, "--params", "top=.6", "min_area=9", "bottom=.35", "--tag", "by-hand")
    recipe, by_hand = load_decision(work, "ab-recipe"), load_decision(work, "ab-by-hand")
    assert recipe.to_json() | {"rule": "params"} == by_hand.to_json()
    error = refusal(work, *flags, "--choose", "best")
    assert all(word in error for word in ("choose", "plateau", "best"))
    assert artifacts.verify(work.root) == []


def test_what_was_found_is_printed_with_what_it_must_beat(work: Work) -> None:
    for fold in (0, 3):
        fakes.make_run(work, "a", fold, RECIPES["demo"])
    flags = ["--members", "a", "b", "--name", "ab", "--weights", "search"]
    for output in (run(work, *flags), run(work, *flags)):
        assert "weights found: a 1.000, b 0.000" in output
        assert "; tuned on all of them 0." in output
        assert "; all-empty baseline 0." in output
        missing = "trained folds of a that the ensemble lacks: 3;"
        assert f"{missing} for an ensemble of another name with them: 03_infer.py" in output
    assert "trained folds" not in run(work, "--members", "b", "--name", "b")


def test_a_decision_behind_gates(work: Work) -> None:
    flags = ["--members", "a", "--name", "a", "--gate", "b"]
    output = run(work, *flags, "--rule", "gated", "--gate-fit", "stack")
    assert output.startswith("cross-fitted Dice 0.")
    assert "class.csv" in artifacts.read(work.decision("a-gated")).files
    assert artifacts.verify(work.root) == []


def test_without_labels_a_rule_must_be_stated(tmp_path: Path) -> None:
    work = Work(tmp_path)
    fakes.make_dataset(work, {})
    fakes.make_probs(work, "a", 0, {}, rule=RECIPE_RULE)
    flags = ["--members", "a", "--name", "a"]
    assert "no out-of-fold maps" in refusal(work, *flags)
    assert not (tmp_path / "ensembles").exists()
    output = run(work, *flags, "--params", "top=.7", "min_area=800", "bottom=.3")
    assert output.startswith("a fixed rule, without a score: there are no labelled images")
    decision = load_decision(work, "a-params")
    assert (decision.rule.levels, decision.rule.min_area) == ((178, 76), 800)
    assert decision.oof_dice is None
    run(work, *flags, "--rule", "recipe")
    assert load_decision(work, "a-recipe").rule.to_json() == RECIPE_RULE.to_json()
