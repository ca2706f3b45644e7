"""Decisions: image probabilities of gates, --rule auto, and what decision.json holds."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from lib import artifacts, dataset
from lib.artifacts import Artifact
from lib.bootstrap import standard_error
from lib.decision import histograms, schema
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.histograms import Histograms, OofSample
from lib.decision.rules import ThresholdRule
from lib.decision.tuning import cross_fit
from lib.ensemble.decide import choose_rule, gate_features, read_sample
from lib.ensemble.options import DecisionOptions
from lib.layout import ALL_DATA, Work
from lib.recipes.published_rules import PUBLISHED
from tests import fakes
from tests.ensemble.builders import (
    IMAGES,
    TEST,
    TRUTH,
    decision_path,
    load,
    load_gate_runs,
    make_decision,
    make_ensemble,
    mean_dice,
    noisy_p_positive,
    parse,
    read_p_positive,
)

# Image probabilities of gates


def features_of(ensemble: Artifact, gates: tuple[str, ...], gate_fit: str):
    work = Work(ensemble.location.root)
    return gate_features(ensemble, load_gate_runs(work, *gates), gate_fit)


def test_an_out_of_fold_image_has_the_p_of_its_fold_and_a_test_image_the_mean(work: Work) -> None:
    table = features_of(make_ensemble(work, "a"), ("x", "y"), "mean")
    assert list(table.columns) == ["x", "y"]
    assert sorted(table.index) == sorted(IMAGES)
    fold0, fold1 = noisy_p_positive(0, 1.5), noisy_p_positive(1, 1.5)
    assert table.loc["image00", "x"] == fold0["image00"]
    assert table.loc["image01", "x"] == fold1["image01"]
    assert table.loc["test0", "x"] == pytest.approx((fold0["test0"] + fold1["test0"]) / 2)


def test_the_members_mean_is_a_feature_of_a_stack_and_without_gates(work: Work) -> None:
    ensemble = make_ensemble(work, "x")
    assert list(features_of(ensemble, ("y",), "stack").columns) == ["y", "members"]
    assert list(features_of(ensemble, ("y",), "mean").columns) == ["y"]
    assert list(features_of(ensemble, (), "mean").columns) == ["members"]
    headless = make_ensemble(work, "a", name="headless")
    assert list(features_of(headless, ("y",), "stack").columns) == ["y"]
    assert features_of(headless, (), "mean") is None


@pytest.mark.parametrize("gate_fit", ["mean", "stack"])
@pytest.mark.parametrize("choose", ["best", "plateau"])
def test_a_decision_holds_the_image_probabilities_that_it_uses(
    work: Work, gate_fit: str, choose: str
) -> None:
    ensemble = make_ensemble(work, "a")
    options = DecisionOptions("gated", choose, gate=("x", "y"), gate_fit=gate_fit)
    decision = make_decision(ensemble, options)
    artifact = artifacts.read(decision_path(ensemble))
    p = read_p_positive(artifact)
    assert sorted(p) == sorted(IMAGES)
    for rule, score in (
        (decision.rule, decision.oof_dice),
        (decision.best, decision.best_dice),
        (decision.plateau.rule, decision.plateau.oof_dice),
    ):
        assert score == pytest.approx(mean_dice(ensemble, rule, p_positive=p), abs=1e-12)
    assert {"probs/x/fold0", "probs/y/fold1"} <= artifact.inputs.keys()
    if gate_fit == "mean":
        x, y = noisy_p_positive(0, 1.5), noisy_p_positive(10, 0.5)
        assert p["image00"] == pytest.approx((x["image00"] + y["image00"]) / 2, abs=1e-6)


def test_a_fixed_rule_behind_a_stack_is_scored_with_the_stack_refitted(work: Work) -> None:
    ensemble, x5 = make_ensemble(work, "a"), PUBLISHED["x5"]
    stacked = make_decision(ensemble, DecisionOptions("x5", None, x5, ("x", "y"), "stack"), "stack")
    assert stacked.cross_fitted_reason is None
    assert stacked.folds[0].refitted == x5
    mean = make_decision(ensemble, DecisionOptions("x5", None, x5, ("x", "y"), "mean"), "mean")
    assert mean.cross_fitted_reason == "the rule is published, nothing was fitted"
    assert mean.cross_fitted_dice == mean.oof_dice


def test_without_labels_gates_are_averaged(work: Work) -> None:
    for run in ("final", "gate"):
        p = noisy_p_positive(0, 1) if run == "gate" else None
        fakes.make_probs(work, run, ALL_DATA, TRUTH, classes=p)
    members, ensemble = load(work, "final"), make_ensemble(work, "final")
    options = parse(work, ["final"], "x5", gate=["gate"])
    decision = make_decision(ensemble, options, members=members)
    assert decision.rule == PUBLISHED["x5"]
    assert decision.oof_dice is None
    p = read_p_positive(artifacts.read(decision_path(ensemble)))
    assert p == {image_id: noisy_p_positive(0, 1)[image_id] for image_id in TEST}


def test_searched_weights_give_a_fold_the_maps_that_were_made_without_it(work: Work) -> None:
    ensemble = make_ensemble(work, "a", "b", weights="search")
    sample = read_sample(ensemble, dataset.read(work))
    for fold in (0, 1):
        without = histograms.load(ensemble.path(f"histograms.without{fold}.npz"))
        assert (sample.with_maps_fitted_without(fold).histograms.pixels == without.pixels).all()


# --rule auto

BRIGHT = {255: 1, 200: 29, 100: 20, 0: 206}, {255: 1, 200: 29, 100: 10}  # pixels, in the truth
DIM = {255: 1, 100: 78, 0: 177}, {255: 1, 100: 39}  # its expected area is that of BRIGHT
NUMBERS = np.arange(40)
POSITIVE = NUMBERS // 2 % 5 < 2
FOLD1 = NUMBERS[1::2]


def two_kinds(dim: int = 0, bright_negatives: bool = False, wrong_p: object = ()) -> OofSample:
    """Bright positives and dim negatives: a threshold separates them, and so does p(positive).

    Args:
        dim: positives that are dim too, so that only p(positive) separates them.
        bright_negatives: True if all images are bright, so that only p(positive) separates them.
        wrong_p: images whose p(positive) is that of the other kind.
    """
    bright = POSITIVE | bright_negatives
    bright[np.flatnonzero(POSITIVE)[:dim]] = False
    counts = np.zeros((2, 40, 256), np.int64)
    for number in NUMBERS:
        for table, of_kind in zip(counts, BRIGHT if bright[number] else DIM, strict=True):
            table[number, list(of_kind)] = list(of_kind.values())
    counts[1, ~POSITIVE] = 0
    p = np.where(POSITIVE, 0.9, 0.1)
    p[list(wrong_p)] = 1 - p[list(wrong_p)]
    return OofSample(Histograms(NUMBERS.astype(str), *counts), NUMBERS % 2, NUMBERS, p[:, None])


def noise(seed: int) -> OofSample:
    """Maps that do not resemble their truth, so that the best triplet is below all-empty."""
    rng = np.random.default_rng(seed)
    positive = rng.random(40) < 0.25
    pixels = rng.multinomial(200, rng.dirichlet(np.full(256, 0.05), size=40))
    inside = rng.binomial(pixels, 0.3) * positive[:, None]
    return OofSample(Histograms(NUMBERS.astype(str), pixels, inside), NUMBERS % 2, NUMBERS)


@pytest.mark.parametrize(
    ("sample", "choice", "gain", "verdict"),
    [
        (two_kinds(dim=8), "expected", "more", "both beat"),
        (two_kinds(bright_negatives=True), "expected", "more", "only expected beats"),
        (two_kinds(dim=4, wrong_p=[32, 33]), "triplet", "not more", "both beat"),
        (two_kinds(wrong_p=FOLD1), "triplet", "not more", "only triplet beats"),
        (two_kinds(bright_negatives=True, wrong_p=FOLD1), "triplet", "not more", "neither beats"),
        (noise(seed=4), "expected", "more", "neither beats"),
    ],
)
def test_auto_takes_expected_if_it_gains_a_standard_error(
    sample: OofSample, choice: str, gain: str, verdict: str
) -> None:
    options = DecisionOptions("auto", "best")
    chosen, auto = choose_rule(sample, options)
    dice = {
        rule: cross_fit(sample, DecisionOptions(rule, choose).fitter).dice
        for rule, choose in (("triplet", "best"), ("expected", None))
    }
    gains = dice["expected"] - dice["triplet"]
    error = standard_error(gains, sample.patients)
    assert (chosen.rule, auto.rule) == (choice, choice)
    assert (gains.mean() > error) == (gain == "more")
    assert auto.standard_error == pytest.approx(error)
    all_empty = 1 - sample.histograms.positive.mean()
    scores = {rule: values.mean() for rule, values in dice.items()} | {"all_empty": all_empty}
    assert auto.cross_fitted_dice == pytest.approx(scores)
    assert auto.reason == (
        f"expected gains {gains.mean():+.4f} cross-fitted on triplet, {gain} than the paired "
        f"standard error of {error:.4f}; {verdict} the all-empty baseline ({all_empty:.4f})"
    )


def test_with_one_fold_auto_is_the_triplet() -> None:
    sample = two_kinds()[NUMBERS % 2 == 0]
    chosen, auto = choose_rule(sample, DecisionOptions("auto", "plateau"))
    assert (chosen.rule, auto.rule) == ("triplet", "triplet")
    assert "one fold" in auto.reason


def test_an_auto_decision_is_that_of_the_rule_it_takes(work: Work) -> None:
    ensemble = make_ensemble(work, "a", "b")
    auto = make_decision(ensemble, DecisionOptions("auto", "plateau"), "auto")
    name = auto.auto.rule
    choose = "plateau" if name == "triplet" else None
    same = make_decision(ensemble, DecisionOptions(name, choose), "same")
    assert auto.rule_name == "auto"
    names = {"rule": "auto", "choose": "plateau", "auto": asdict(auto.auto)}
    assert auto.to_json() == same.to_json() | names


# The rule of expected Dice


@pytest.fixture
def good_maps(tmp_path: Path) -> Artifact:
    """An ensemble of forty images in three folds, with good maps and image probabilities."""
    work, truth = Work(tmp_path), fakes.masks(40)
    fakes.make_dataset(work, truth, folds=3)
    rng = np.random.default_rng(0)
    maps = {image_id: fakes.noisy_map(mask, rng, 0.7) for image_id, mask in truth.items()}
    p = {image_id: 0.5 + 0.2 * mask.any() for image_id, mask in truth.items()}
    return fakes.make_ensemble(work, "good", {"oof": maps, "test": {}}, p)


def test_the_expected_dice_rule_is_stored_with_all_that_it_needs(good_maps: Artifact) -> None:
    decision = make_decision(good_maps, DecisionOptions("expected", None))
    path = artifacts.read(decision_path(good_maps)).path("decision.json")
    rule = schema.load(path).rule
    score = mean_dice(good_maps, rule, fakes.masks(40))
    assert decision.oof_dice == pytest.approx(score, abs=1e-12)
    assert decision.cross_fitted_dice > 0.8
    assert set(decision.reliability) == {"pixels", "empty"}
    assert sum(part.count for part in decision.reliability["empty"]) == 40
    assert path.stat().st_size < 20_000


def test_one_fold_is_calibrated_on_itself(work: Work) -> None:
    ensemble = make_ensemble(work, "a", folds=["0"])
    decision = make_decision(ensemble, DecisionOptions("expected", None))
    assert decision.cross_fitted_dice is None
    assert "one fold" in decision.cross_fitted_reason
    assert sum(part.count for part in decision.reliability["empty"]) == 6
    assert not decision.rule.uses_p_positive, "no member has an image head"


# decision.json

KINDS = [
    DecisionOptions("triplet", "plateau"),
    DecisionOptions("components", "best"),
    DecisionOptions("gated", "plateau", gate=("x", "y"), gate_fit="stack"),
    DecisionOptions("expected", None, gate=("x",)),
    DecisionOptions("auto", "plateau"),
    DecisionOptions("params", None, ThresholdRule(0.6, 9, 0.35, 4, True)),
    DecisionOptions("see", None, PUBLISHED["see"]),
    DecisionOptions("recipe", None, PUBLISHED["viel"]),
]


@pytest.mark.parametrize("options", KINDS, ids=[options.rule for options in KINDS])
def test_every_kind_of_decision_is_read_back_and_made_again_to_the_byte(
    work: Work, options: DecisionOptions
) -> None:
    ensemble = make_ensemble(work, "a", "b")
    decision, _ = (make_decision(ensemble, options, tag) for tag in ("one", "other"))
    one, other = (artifacts.read(decision_path(ensemble, tag)) for tag in ("one", "other"))
    assert one.id == other.id
    path = one.path("decision.json")
    loaded = schema.load(path)
    assert loaded.to_json() == decision.to_json()
    assert type(loaded.rule) is type(decision.rule)
    assert loaded.is_fixed == (options.fixed_rule is not None)
    content = json.loads(path.read_bytes())
    assert content["rule"] == options.rule
    assert (content["expected"] is not None) == isinstance(decision.rule, ExpectedDiceRule)
    assert (content["reliability"] is not None) == isinstance(decision.rule, ExpectedDiceRule)


def test_the_tuning_page_states_the_command_for_the_same_maps(work: Work) -> None:
    ensemble = make_ensemble(work, "a", "b", weights="1 3")
    make_decision(ensemble, DecisionOptions("gated", "best", gate=("x", "y"), gate_fit="stack"))
    page = artifacts.read(decision_path(ensemble)).path("tuning.html").read_text()
    data = page.partition('id="data">')[2].partition("</script>")[0]
    assert json.loads(data)["command"] == (
        "python 04_ensemble.py --members a b --name mean --folds 0 1 --weights 0.25 0.75 "
        "--gate x y --gate-fit stack"
    )


@pytest.mark.parametrize(
    ("ranked", "expected"), [((True, False), True), ((False, False), False), ((None, False), None)]
)
def test_checkpoints_were_selected_on_these_folds_if_the_maps_say_so(
    work: Work, ranked: tuple[bool | None, ...], expected: bool | None
) -> None:
    members = [
        replace(member, ranked=value) for member, value in zip(load(work, "a"), ranked, strict=True)
    ]
    options = DecisionOptions("see", None, PUBLISHED["see"])
    decision = make_decision(make_ensemble(work, "a"), options, members=members)
    assert decision.checkpoints_selected_on_these_folds is expected
