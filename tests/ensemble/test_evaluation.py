"""Scores of a decision, against applying its rule to the maps."""

from dataclasses import asdict
from pathlib import Path

import pytest

from lib import dataset
from lib.decision.rules import ThresholdRule
from lib.decision.schema import AutoChoice, Decision
from lib.ensemble.evaluation import summary
from lib.ensemble.options import DecisionOptions
from lib.layout import Work
from lib.metrics import Confusion
from lib.recipes.published_rules import PUBLISHED
from lib.rle import COMPETITION_FRAME
from tests import fakes
from tests.ensemble.builders import TRUTH, evaluate_on, make_ensemble, mean_dice, parse


@pytest.mark.parametrize("choose", ["best", "plateau"])
@pytest.mark.parametrize("rule", ["single", "duplet", "triplet", "components"])
def test_scores_of_a_searched_rule_are_those_of_the_maps(
    work: Work, rule: str, choose: str
) -> None:
    ensemble = make_ensemble(work, "a", "b")
    decision = evaluate_on(ensemble, DecisionOptions(rule, choose))
    assert decision.oof_dice == pytest.approx(mean_dice(ensemble, decision.rule), abs=1e-12)
    best, plateau = decision.best, decision.plateau
    assert decision.best_dice == pytest.approx(mean_dice(ensemble, best), abs=1e-12)
    assert plateau.oof_dice == pytest.approx(mean_dice(ensemble, plateau.rule), abs=1e-12)
    assert decision.best_dice >= plateau.oof_dice
    assert decision.rule == (best if choose == "best" else plateau.rule)
    assert (decision.rule_name, decision.images) == (rule, 12)
    assert sum(asdict(decision.confusion).values()) == 12
    assert decision.optimism == decision.oof_dice - decision.cross_fitted_dice
    assert decision.ci95[0] <= decision.cross_fitted_dice <= decision.ci95[1]


@pytest.mark.parametrize(
    "words", ["top=.45 bottom=.3", "top=.6 min_area=9 bottom=.35 component_min_area=4",
              "fill_holes=1 top=.42 bottom=.42", "top=.4 bottom=.4 class_min=.5",
              "class_min=.5 component_min_area=6 fill_holes=1"],
)  # fmt: skip
def test_scores_of_a_stated_rule_are_those_of_the_maps(work: Work, words: str) -> None:
    ensemble = make_ensemble(work, "x")
    options = parse(work, ["x"], params=words.split())
    decision = evaluate_on(ensemble, options)
    assert 0 < decision.oof_dice < 1
    assert decision.oof_dice == pytest.approx(mean_dice(ensemble, decision.rule), abs=1e-12)
    # Nothing says that it was not chosen on these very images.
    assert decision.cross_fitted_dice is None
    assert decision.optimism is None
    assert "not cross-fitted" in summary(decision, dataset.read(work))


def test_a_decision_s_own_rule_stated_again_has_no_cross_fitted_score(work: Work) -> None:
    ensemble = make_ensemble(work, "a", "b")
    tuned = evaluate_on(ensemble, DecisionOptions("triplet", "best"))
    stated = evaluate_on(ensemble, DecisionOptions("params", None, tuned.rule))
    assert stated.oof_dice == tuned.oof_dice > tuned.cross_fitted_dice
    assert stated.cross_fitted_dice is None


def test_a_published_rule_has_one_score(work: Work) -> None:
    decision = evaluate_on(make_ensemble(work, "a"), DecisionOptions("see", None, PUBLISHED["see"]))
    assert decision.cross_fitted_dice == decision.oof_dice
    assert decision.optimism == 0


def test_the_recipe_s_rule_scores_as_if_it_were_stated(work: Work) -> None:
    px = (COMPETITION_FRAME // fakes.FRAME) ** 2  # a recipe's areas are in that frame
    rule = ThresholdRule(0.45, 9 * px, 0.35, component_min_area=4 * px)
    for fold in (0, 1):
        fakes.make_probs(work, "r34", fold, TRUTH, seed=fold, rule=rule)
    ensemble = make_ensemble(work, "r34")
    words = ["top=.45", "min_area=9", "bottom=.35", "component_min_area=4"]
    by_recipe = evaluate_on(ensemble, parse(work, ["r34"], "recipe"))
    stated = evaluate_on(ensemble, parse(work, ["r34"], params=words))
    assert 0 < by_recipe.oof_dice < 1
    scores = ("rule", "cross_fitted_dice", "cross_fitted_reason", "optimism")
    same = {key: value for key, value in by_recipe.to_json().items() if key not in scores}
    assert same.items() <= stated.to_json().items()
    assert by_recipe.cross_fitted_dice == stated.oof_dice
    assert by_recipe.choose is None
    assert by_recipe.is_fixed
    assert {rules.refitted for rules in by_recipe.folds.values()} == {None}


# Folds and patients


def test_one_fold_has_no_cross_fitted_dice(work: Work) -> None:
    ensemble = make_ensemble(work, "a", "b", folds=["0"])
    decision = evaluate_on(ensemble, DecisionOptions("triplet", "plateau"))
    assert decision.cross_fitted_dice is None
    assert decision.optimism is None
    assert decision.cross_fitted_reason == "one fold: there is no other to fit on"
    assert list(decision.folds) == [0]
    line = summary(decision, dataset.read(work))
    assert "on the 6 of 12 labelled images (folds 0) that it was tuned on" in line


@pytest.mark.parametrize(
    ("rule", "choose"), [("triplet", "plateau"), ("components", "best"), ("expected", None)]
)
def test_weights_that_were_searched_on_one_fold_allow_any_rule(
    work: Work, rule: str, choose: str | None
) -> None:
    ensemble = make_ensemble(work, "a", "x", folds=["0"], weights="search")
    decision = evaluate_on(ensemble, DecisionOptions(rule, choose))
    assert decision.cross_fitted_dice is None
    assert decision.oof_dice == pytest.approx(
        mean_dice(ensemble, decision.rule, {i: TRUTH[i] for i in sorted(TRUTH)[::2]}), abs=1e-12
    )


def test_a_fixed_rule_is_cross_fitted_if_weights_were_searched(work: Work) -> None:
    options = DecisionOptions("see", None, PUBLISHED["see"])
    decision = evaluate_on(make_ensemble(work, "a", "b", weights="search"), options)
    assert decision.cross_fitted_reason is None
    assert {rules.refitted for rules in decision.folds.values()} == {PUBLISHED["see"]}


def test_components_cannot_be_cross_fitted_if_weights_were_searched(work: Work) -> None:
    ensemble = make_ensemble(work, "a", "b", weights="search")
    decision = evaluate_on(ensemble, DecisionOptions("components", "best"))
    assert decision.cross_fitted_dice is None
    assert "weights were searched" in decision.cross_fitted_reason


def test_the_interval_is_wider_if_images_share_patients(tmp_path: Path) -> None:
    widths = []
    for folder, images_per_patient in (("alone", 1), ("shared", 4)):
        work = Work(tmp_path / folder)
        numbers = dict(zip(sorted(TRUTH), range(len(TRUTH)), strict=True))
        patients = {i: str(number // images_per_patient) for i, number in numbers.items()}
        truth = {i: TRUTH["image00"] & (number % 8 < 4) for i, number in numbers.items()}
        fakes.make_dataset(work, truth, patients=patients)
        for fold in (0, 1):
            fakes.make_probs(work, "a", fold, truth)
        options = DecisionOptions("params", None, ThresholdRule(0.9, 1, 0.9))
        low, high = evaluate_on(make_ensemble(work, "a"), options).ci95
        widths.append(high - low)
    assert widths[0] < widths[1]


# The summary

FITTED = {"choose": "best", "cross_fitted_reason": None}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            FITTED | {"cross_fitted_dice": 0.75},
            "cross-fitted Dice 0.7500 (95 % interval 0.6000 to 0.9000) on 12 images; "
            "tuned on all of them 0.8000; all-empty baseline 0.7500",
        ),
        (
            FITTED | {"cross_fitted_dice": 0.74},
            "cross-fitted Dice 0.7400 (95 % interval 0.6000 to 0.9000) on 12 images; tuned on all "
            "of them 0.8000; all-empty baseline 0.7500: the rule scores less than the all-empty "
            "baseline",
        ),
        (
            FITTED | {"cross_fitted_dice": 0.75, "auto": AutoChoice("R", "why")},
            "cross-fitted Dice 0.7500 (95 % interval 0.6000 to 0.9000) on 12 images; "
            "tuned on all of them 0.8000; all-empty baseline 0.7500; auto took R: why",
        ),
        (
            {"choose": "best"},
            "Dice 0.8000 (95 % interval 0.6000 to 0.9000) on the 12 images that it was tuned on; "
            "all-empty baseline 0.7500",
        ),
        (
            {"cross_fitted_dice": 0.8, "cross_fitted_reason": "nothing was fitted"},
            "Dice 0.8000 (95 % interval 0.6000 to 0.9000) of the published rule on 12 images; "
            "all-empty baseline 0.7500",
        ),
        (
            {"cross_fitted_reason": "the rule was stated"},
            "Dice 0.8000 (95 % interval 0.6000 to 0.9000) on 12 images, not cross-fitted: the rule "
            "was stated; all-empty baseline 0.7500",
        ),
        (
            {"images": 0},
            "a fixed rule, without a score: the labelled images have no out-of-fold map",
        ),
    ],
)
def test_the_summary_is_a_line(work: Work, fields: dict[str, object], line: str) -> None:
    confusion = Confusion(both=2, missed=1, false=1, neither=8)
    scores = {"images": 12, "oof_dice": 0.8, "ci95": (0.6, 0.9), "confusion": confusion} | fields
    decision = Decision("x", ThresholdRule(), **scores)
    assert summary(decision, dataset.read(work)) == line
