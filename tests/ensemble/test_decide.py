"""Image probabilities from runs that are gates only, and decisions behind them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from lib.decision.honest import cross_fit
from sklearn.linear_model import LogisticRegression

from lib import artifacts, csv_files, dataset, images, metrics
from lib.artifacts import Artifact
from lib.decision import rules
from lib.decision.threshold_search import PRESETS
from lib.ensemble import average, decide, gates, members, oof
from lib.ensemble.options import DecisionOptions, parse_options
from lib.errors import InputError
from lib.layout import ALL_DATA, Work
from lib.recipes.published_rules import PUBLISHED
from tests import fakes

ROOT = Path(__file__).resolve().parents[1]
TRUTH = fakes.masks(24)
TEST = ["test0", "test1"]


def probabilities(seed: int, sharpness: float) -> dict[str, float]:
    """p(positive) that resembles the truth."""
    rng = np.random.default_rng(seed)
    logits = {n: sharpness * (2 * TRUTH[n].any() - 1) + rng.normal() for n in TRUTH}
    logits |= {name: rng.normal() for name in TEST}
    return {name: round(float(1 / (1 + np.exp(-x))), 6) for name, x in logits.items()}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A dataset of two folds, a member without an image head, and the gates x and y."""
    work = Work(tmp_path)
    fakes.make_dataset(work, TRUTH)
    for fold in (0, 1):
        fakes.make_probs(work, "a", fold, TRUTH, seed=fold)
        for seed, gate in enumerate("xy"):
            p = probabilities(10 * seed + fold, sharpness=1.5 - seed)
            fakes.make_probs(work, gate, fold, TRUTH, classes=p, seed=fold)
    return work


def open_gates(work: Work, *names: str, member: str = "a") -> list[members.MemberFold]:
    data = dataset.read(work)
    sources = members.load_members(work, data, [member], None, ["equal"])
    return gates.load_gates(work, data, names, sources)


def make_ensemble(work: Work, member: str = "a") -> Artifact:
    data = dataset.read(work)
    sources = members.load_members(work, data, [member], None, ["equal"])
    draft = artifacts.begin(work.ensemble(member), average.config(sources, data), [data.artifact])
    assert draft
    return average.average(draft, sources, data)


def make_decision(work: Work, asked: DecisionOptions, member: str = "a") -> Artifact:
    data, location = dataset.read(work), work.ensemble(member)
    ensemble = artifacts.read(location) if location.folder.exists() else make_ensemble(work, member)
    gating = open_gates(work, *asked.gate, member=member)
    inputs = [ensemble, data.artifact, *(gate.probs for gate in gating)]
    draft = artifacts.begin(work.decision(f"{member}-x"), asked.config, inputs, replace=True)
    assert draft
    decide.decide(draft, ensemble, data, asked, gating=gating)
    return artifacts.read(work.decision(f"{member}-x"))


def class_table(artifact: Artifact) -> dict[str, float]:
    table = csv_files.read(artifact.path("class.csv"), ("ImageId", "p"))
    return dict(zip(table["ImageId"], table["p"].astype(float), strict=True))


def by_hand(work: Work, content: Mapping[str, object], classes: Mapping[str, float]) -> float:
    """The mean Dice of a decision, from the maps and a class table."""
    rule, dices = rules.from_json(content), []
    for name, truth in TRUTH.items():
        values = images.read_png(work.ensemble("a").folder / f"oof/{name}.png")
        mask = rules.apply(rule, values, classes.get(name))
        dices.append(float(metrics.dice(*metrics.areas(mask, truth))))
    return float(np.mean(dices))


def read(decision: Artifact) -> dict[str, object]:
    return json.loads(decision.path("decision.json").read_bytes())


# What p(positive) is made of


def test_an_out_of_fold_image_has_its_own_fold_s_word_and_a_test_image_the_mean(
    work: Work,
) -> None:
    table = gates.features(make_ensemble(work), open_gates(work, "x", "y"), "mean")
    assert list(table.columns) == ["x", "y"]
    assert sorted(table.index) == sorted([*TRUTH, *TEST])
    zero, one = probabilities(0, 1.5), probabilities(1, 1.5)
    assert table.loc["image00", "x"] == zero["image00"]
    assert table.loc["image01", "x"] == one["image01"]
    assert table.loc["test0", "x"] == pytest.approx((zero["test0"] + one["test0"]) / 2)


def test_the_members_own_mean_is_in_a_stack_and_alone_without_gates(work: Work) -> None:
    made = make_ensemble(work, "x")
    gating = open_gates(work, "y", member="x")
    assert list(gates.features(made, gating, "stack").columns) == ["y", "members"]
    assert list(gates.features(made, gating, "mean").columns) == ["y"]
    assert list(gates.features(made, [], "mean").columns) == ["members"]
    headless = make_ensemble(work, "a")
    assert list(gates.features(headless, gating, "stack").columns) == ["y"]


def test_the_mean_is_the_mean_whatever_the_truth() -> None:
    features = np.array([[0.2, 0.6], [0.1, 0.2]])
    for positive in (np.zeros(2, bool), np.ones(2, bool)):
        assert gates.mean(features, positive)(features) == pytest.approx([0.4, 0.15])


def test_the_stack_is_logistic_regression_on_logits() -> None:
    rng = np.random.default_rng(0)
    features, positive = rng.uniform(0.01, 0.99, (40, 2)), rng.random(40) < 0.4
    logits = np.log(features) - np.log1p(-features)
    expected = LogisticRegression().fit(logits, positive).predict_proba(logits)[:, 1]
    assert gates.stack(features, positive)(features) == pytest.approx(expected, abs=1e-6)
    assert np.isfinite(gates.stack(features, positive)(np.array([[0.0, 1.0]]))).all()


def test_a_stack_needs_both_kinds_of_images() -> None:
    with pytest.raises(InputError, match="with and without a pneumothorax.*--gate-fit mean"):
        gates.stack(np.full((3, 1), 0.5), np.ones(3, bool))


# Deciding behind them


@pytest.mark.parametrize("fit", ["mean", "stack"])
@pytest.mark.parametrize("choose", ["best", "plateau"])
def test_the_decision_holds_the_probabilities_that_it_was_taken_on(
    work: Work, fit: str, choose: str
) -> None:
    decision = make_decision(work, DecisionOptions("gated", choose, None, ("x", "y"), fit))
    content, classes = read(decision), class_table(decision)
    assert sorted(classes) == sorted([*TRUTH, *TEST])
    assert content["oof_dice"] == pytest.approx(by_hand(work, content, classes), abs=1e-12)
    for one in ("best", "plateau"):
        stated = by_hand(work, content[one], classes)
        assert content[one]["oof_dice"] == pytest.approx(stated, abs=1e-12)
    assert {"probs/x/fold0", "probs/y/fold1"} <= decision.inputs.keys()
    if fit == "mean":
        x, y = probabilities(0, 1.5), probabilities(10, 0.5)
        assert classes["image00"] == pytest.approx((x["image00"] + y["image00"]) / 2, abs=1e-6)


def test_a_published_rule_behind_a_stack_is_measured_with_the_stack_refitted(work: Work) -> None:
    fitted = read(
        make_decision(work, DecisionOptions("x5", None, PUBLISHED["x5"], ("x", "y"), "stack"))
    )
    assert fitted["cross_fitted_reason"] is None
    assert fitted["folds"]["0"]["refitted"]["bottom"] == 102
    stated = read(
        make_decision(work, DecisionOptions("x5", None, PUBLISHED["x5"], ("x", "y"), "mean"))
    )
    assert stated["cross_fitted_reason"] == "the rule was stated, nothing was fitted"
    assert stated["cross_fitted_dice"] == stated["oof_dice"]


def test_the_truth_of_a_fold_does_not_touch_the_gate_that_it_is_scored_at(tmp_path: Path) -> None:
    scored = []
    for flipped in (False, True):
        work = Work(tmp_path / str(flipped))
        truth = {
            name: ~mask if flipped and number % 2 == 0 and number % 3 else mask
            for number, (name, mask) in enumerate(TRUTH.items())
        }
        fakes.make_dataset(work, truth)
        for fold in (0, 1):
            p = probabilities(fold, 1.5)
            fakes.make_probs(work, "x", fold, TRUTH, classes=p, seed=fold)
            fakes.make_probs(work, "y", fold, TRUTH, classes=probabilities(fold + 5, 0.5))
        ensemble = make_ensemble(work, "x")
        features = gates.features(ensemble, open_gates(work, "y", member="x"), "stack")
        sample = oof.read(ensemble, dataset.read(work), features)
        refitted = cross_fit(sample, PRESETS["gated"], "best", gates.stack).fitted
        scored.append([(refitted[k].rule, refitted[k].gate(sample.features)) for k in (0, 1)])
    (before0, before1), (after0, after1) = scored
    assert before0[0] == after0[0]
    assert (before0[1] == after0[1]).all()
    assert not np.allclose(before1[1], after1[1])


def test_a_gate_helps_where_maps_cannot_tell(work: Work) -> None:
    alone = read(make_decision(work, DecisionOptions("triplet", "best")))
    gated = read(make_decision(work, DecisionOptions("gated", "best", None, ("x",))))
    assert gated["oof_dice"] >= alone["oof_dice"] - 1e-12


def test_equal_decisions_are_equal_bytes(work: Work) -> None:
    asked = DecisionOptions("gated", "plateau", None, ("x", "y"), "stack")
    assert make_decision(work, asked).id == make_decision(work, asked).id


# What does not fit together


def sources_of(work: Work, *names: str) -> list[members.MemberFold]:
    return members.load_members(work, dataset.read(work), names, None, ["equal"])


@pytest.mark.parametrize(
    ("rule", "words", "gate", "message"),
    [
        ("gated", None, (), "--rule gated needs image probabilities.*--gate RUN"),
        ("x5", None, (), "--rule x5 needs image probabilities"),
        ("triplet", None, ("x",), "--gate x would gate nothing.*--rule gated"),
        ("see", None, ("x",), "--gate x would gate nothing"),
        ("triplet", ["top=.5"], ("x",), "--gate x would gate nothing.*class_min in --params"),
    ],
)
def test_gates_and_rules_that_do_not_go_together(
    work: Work, rule: str, words: list[str] | None, gate: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse_options(sources_of(work, "a"), rule, "plateau", words, gate)


def test_a_gate_without_an_image_head(work: Work) -> None:
    with pytest.raises(InputError, match="--gate a: probs/a/fold0 has no image probabilities"):
        open_gates(work, "a")


def test_a_gate_that_lacks_a_fold(work: Work) -> None:
    fakes.make_probs(work, "z", 0, TRUTH, classes=probabilities(0, 1))
    with pytest.raises(InputError, match=r"probs/z/fold1 is not there; run 03_infer\.py"):
        open_gates(work, "z")


def test_a_member_with_an_image_head_in_one_fold_only(work: Work) -> None:
    fakes.make_probs(work, "z", 0, TRUTH, classes=probabilities(0, 1))
    fakes.make_probs(work, "z", 1, TRUTH)
    with pytest.raises(InputError, match="12 images have no image probability"):
        make_decision(work, DecisionOptions("gated", "best"), "z")


def test_without_labels_a_stack_cannot_be_fitted_but_a_mean_can_be_taken(work: Work) -> None:
    for run in "ax":
        classes = probabilities(0, 1) if run == "x" else None
        fakes.make_probs(work, run, ALL_DATA, TRUTH, classes=classes)
    data = dataset.read(work)
    sources = members.load_members(work, data, ["a"], [ALL_DATA], ["equal"])
    with pytest.raises(InputError, match="no --gate-fit stack"):
        parse_options(sources, "x5", "plateau", None, ["x"], "stack")
    asked = parse_options(sources, "x5", "plateau", None, ["x"])
    draft = artifacts.begin(work.ensemble("final"), average.config(sources, data), [data.artifact])
    ensemble = average.average(draft, sources, data)
    draft = artifacts.begin(work.decision("final-x5"), asked.config, [ensemble, data.artifact])
    gating = gates.load_gates(work, data, ["x"], sources)
    decide.decide(draft, ensemble, data, asked, sources, gating)
    classes = class_table(artifacts.read(work.decision("final-x5")))
    assert classes == {name: probabilities(0, 1)[name] for name in TEST}


# The stage


def test_the_stage_decides_behind_gates(work: Work) -> None:
    command = [sys.executable, "04_ensemble.py", "--work", str(work.root), "--members", "a"]
    flags = ["--name", "a", "--rule", "gated", "--gate", "x", "y", "--gate-fit", "stack"]
    first = subprocess.run([*command, *flags], capture_output=True, text=True, cwd=ROOT)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("cross-fitted Dice 0.")
    assert "class.csv" in artifacts.read(work.decision("a-gated")).files
    wrong = subprocess.run([*command, *flags[:4], *flags[-2:], "--gate", "x", "--rule", "duplet"],
        capture_output=True, text=True, cwd=ROOT)  # fmt: skip
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: --gate x would gate nothing")
    assert artifacts.verify(work.root) == []
