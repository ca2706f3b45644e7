"""04_ensemble.py as a user runs it, on tiny maps."""

import shutil
from pathlib import Path

import pytest

from lib import artifacts
from lib.decision import schema
from lib.decision.rules import ThresholdRule
from lib.decision.schema import Decision
from lib.layout import Work
from lib.recipes import RECIPES
from lib.rle import COMPETITION_FRAME
from tests import fakes
from tests.stages import commands

TRUTH = fakes.masks(12)
PX = (COMPETITION_FRAME // fakes.FRAME) ** 2  # a pixel of the tests' frame, in a recipe's rule
RECIPE_RULE = ThresholdRule(0.6, 9 * PX, 0.35)
P = {i: 0.2 + 0.5 * mask.any() for i, mask in TRUTH.items()} | {"test0": 0.3, "test1": 0.7}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Two folds of runs a and b, of which b has an image head."""
    work = Work(tmp_path / "work")
    fakes.make_dataset(work, TRUTH)
    for seed, (run, classes) in enumerate({"a": None, "b": P}.items()):
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
    assert "of the published rule on 12 images" in by_recipe
    run(work, *flags, "--params", "top=.6", "min_area=9", "bottom=.35", "--tag", "by-hand")
    recipe, by_hand = load_decision(work, "ab-recipe"), load_decision(work, "ab-by-hand")
    assert (recipe.rule, recipe.oof_dice) == (by_hand.rule, by_hand.oof_dice)
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


def test_a_finished_ensemble_needs_the_maps_of_its_members_no_more(work: Work) -> None:
    flags = ["--members", "b", "a", "--name", "ab"]
    first = run(work, *flags)
    run(work, *flags, "--rule", "recipe", "--tag", "kept")
    for fold in (0, 1):
        fakes.make_probs(work, "gate", fold, TRUTH, classes=P)
    for name in "ab":
        shutil.rmtree(work.probs(name, 0).folder.parent)
    assert run(work, *flags).endswith(first)
    by_recipe = run(work, *flags, "--folds", "0", "1", "--rule", "recipe")
    assert by_recipe.startswith("up to date: ensembles/ab\nDice 0.")
    kept, recipe = load_decision(work, "ab-kept"), load_decision(work, "ab-recipe")
    assert kept.to_json() == recipe.to_json()
    run(work, *flags, "--rule", "gated", "--gate", "gate")
    assert "probs/b/fold0 does not exist; run 03" in refusal(work, *flags, "--folds", "0")
    assert artifacts.verify(work.root) == []


def test_weights_that_were_searched_are_kept_without_the_maps(work: Work) -> None:
    flags = ["--members", "a", "b", "--name", "ab", "--weights", "search"]
    first = run(work, *flags)
    shutil.rmtree(work.probs("a", 0).folder)
    assert run(work, *flags, "--tag", "again", "--replace").splitlines()[1] in first
    again, triplet = load_decision(work, "ab-again"), load_decision(work, "ab-triplet")
    assert again.to_json() == triplet.to_json()


def test_new_maps_make_another_ensemble(work: Work) -> None:
    flags = ["--members", "a", "b", "--name", "ab"]
    run(work, *flags)
    shutil.rmtree(work.probs("a", 1).folder)
    fakes.make_probs(work, "a", 1, TRUTH, seed=8)
    error = refusal(work, *flags, "--weights", "1", "3", "--rule", "duplet")
    assert "another probs/a/fold1, --weights 0.5 0.5; asked for: --weights 0.25 0.75; " in error
    outdates = "which outdates decisions/ab-triplet"
    assert f"or remake it alone, {outdates}: 04_ensemble.py --members a b " in error
    assert not work.decision("ab-duplet").folder.exists()
    assert "up to date" not in run(work, *flags, "--rule", "duplet", "--replace")


def test_replace_remakes_the_decision_alone_unless_the_ensemble_differs(work: Work) -> None:
    flags = ["--members", "a", "b", "--name", "ab"]
    run(work, *flags)
    kept = work.ensemble("ab").folder.stat().st_ino
    output = run(work, *flags, "--rule", "duplet", "--tag", "triplet", "--replace")
    assert output.startswith("up to date: ensembles/ab\ncross-fitted")
    assert work.ensemble("ab").folder.stat().st_ino == kept
    assert load_decision(work, "ab-triplet").rule_name == "duplet"
    run(work, *flags, "--params", "top=.5")
    output = run(work, *flags, "--weights", "1", "3", "--replace")
    assert "made from the earlier ensembles/ab: decisions/ab-params; " in output
    assert "up to date" not in output
    assert artifacts.read(work.ensemble("ab")).config["weights"] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (["--rule", "expected"], "with and without a pneumothorax"),
        (["--rule", "gated", "--gate", "b", "--gate-fit", "stack"], "--gate-fit mean"),
        (["--rule", "gated"], "no member has an image head in fold 1"),
        (["--params", "top=.3", "bottom=.7"], "bottom 0.7 is above top 0.3"),
        (["--params-from", "nowhere"], "nowhere is not a folder"),
        (["--tag", "a/b"], "cannot be a name"),
    ],
)
def test_replace_removes_nothing_for_a_decision_that_is_refused(
    tmp_path: Path, rule: list[str], problem: str
) -> None:
    work = Work(tmp_path)
    truth = {name: mask & (name != "image00") for name, mask in fakes.masks(4).items()}
    fakes.make_dataset(work, truth)  # its one positive is in fold 1
    p = dict.fromkeys([*truth, "test0", "test1"], 0.5)
    for fold in (0, 1):
        fakes.make_probs(work, "a", fold, truth, classes=None if fold else p)
        fakes.make_probs(work, "b", fold, truth, classes=p)
    flags = ["--members", "a", "--name", "a"]
    run(work, *flags, "--folds", "0", "--rule", "see")
    before = artifacts.read(work.ensemble("a")).id
    assert problem in refusal(work, *flags, "--replace", *rule)
    assert artifacts.read(work.ensemble("a")).id == before
    assert not work.ensemble("a").partial.exists()


@pytest.mark.parametrize("rule", ["triplet", "expected", "gated"])
def test_the_rule_of_a_decision_is_carried_to_runs_without_labels(
    work: Work, tmp_path: Path, rule: str
) -> None:
    run(work, "--members", "b", "--name", "b", "--rule", rule)
    fitted, folder = load_decision(work, f"b-{rule}"), str(work.decision(f"b-{rule}").folder)
    fakes.make_probs(work, "final", "all-data", TRUTH, classes=P)
    flags = ["--members", "final", "--name", "final"]
    error = refusal(work, *flags)
    assert "all-data" in error
    assert "--params-from WORK/decisions/NAME-TAG" in error
    output = run(work, *flags, "--params-from", folder)
    assert "without a score: the labelled images have no out-of-fold map ->" in output
    assert load_decision(work, "final-params").rule.to_json() == fitted.rule.to_json()
    other = Work(tmp_path / "other")
    fakes.make_dataset(other, {})
    fakes.make_probs(other, "a", "all-data", {}, classes=P)
    run(other, "--members", "a", "--name", "a", "--params-from", folder)
    assert load_decision(other, "a-params").rule.to_json() == fitted.rule.to_json()
    run(work, "--members", "b", "--name", "b", "--params-from", folder)
    assert load_decision(work, "b-params").oof_dice == pytest.approx(fitted.oof_dice, abs=1e-12)
    assert artifacts.verify(work.root) == artifacts.verify(other.root) == []


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
    assert load_decision(work, "a-recipe").rule.to_json() == ThresholdRule(0.6, 9, 0.35).to_json()
