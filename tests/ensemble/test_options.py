"""Options of a decision: what the flags mean, and combinations that are refused."""

from pathlib import Path
from typing import Any

import pytest

from lib import artifacts, dataset
from lib.decision.calibration import EmptyClassifier
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.rules import DecisionRule, ThresholdRule
from lib.decision.schema import DECISION_FILE, Decision
from lib.ensemble.options import RULES, DecisionOptions, parse_options, parse_params
from lib.errors import InputError
from lib.layout import ALL_DATA, Work
from lib.recipes.published_rules import PUBLISHED
from tests import fakes
from tests.ensemble.builders import IMAGES, TRUTH, load, parse

# --params


def test_params_are_in_published_units() -> None:
    words = "top=.7 min_area=800 bottom=.3 component_min_area=100 fill_holes=1 class_min=.4"
    assert parse_params(words.split()) == ThresholdRule(0.7, 800, 0.3, 100, True, 0.4)
    assert parse_params(["top=.75"]) == ThresholdRule(top=0.75)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tpo=.7", "--params tpo=.7: give key=value, with a key of top, min_area, bottom"),
        ("top", "--params top: give key=value"),
        ("top=.7 top=.8", "--params top=.8: top is given twice"),
        ("top=seven", "--params top=seven: .*valid number"),
        ("top=1.2", "--params top=1.2: .*less than or equal to 1"),
        ("top=90", r"--params top=90: .*level 90 of 255 is 0\.353"),
        ("top=1", "threshold 1 is out of range"),
        ("top=nan", "--params top=nan"),
        ("min_area=-1", "--params min_area=-1: .*greater than or equal to 0"),
        ("min_area=.5", "--params min_area=.5: .*integer"),
        ("fill_holes=2", "--params fill_holes=2: .*boolean"),
        ("top=.3 bottom=.7", "bottom 0.7 is above top 0.3"),
    ],
)
def test_params_that_state_no_rule_are_refused(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_params(words.split())


# --rule


def test_a_published_rule_is_fixed(work: Work) -> None:
    options = parse(work, ["a"], "see")
    assert options == DecisionOptions("see", None, PUBLISHED["see"].in_frame(fakes.FRAME))
    assert not options.needs_fitting


def test_published_areas_are_brought_to_the_frame_of_the_dataset(tmp_path: Path) -> None:
    """1,500 px of 1024 x 1024 are 375 px of 512 x 512; stated areas stay."""
    work = Work(tmp_path)
    fakes.make_dataset(work, size=512)
    for fold in (0, 1):
        fakes.make_probs(work, "a", fold, TRUTH)
    assert parse(work, ["a"], "sneddy_v2").fixed_rule.min_area == 375
    assert parse(work, ["a"], params=["min_area=1500"]).fixed_rule.min_area == 1500


def test_expected_needs_no_image_heads_and_has_nothing_to_choose(work: Work) -> None:
    options = parse(work, ["a"], "expected")
    assert options.wants_p_positive
    assert not options.needs_p_positive
    assert options.choose is None
    assert parse(work, ["a"], "auto", "best").choose == "best"


def test_without_labels_a_searched_rule_is_refused(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH)
    with pytest.raises(InputError, match="no out-of-fold maps.*--params-from.*--params"):
        parse(work, ["final"], "triplet")
    assert parse(work, ["final"], "see").fixed_rule


# --rule recipe

SEE, VIEL = PUBLISHED["see"], PUBLISHED["viel"]


def make_runs(work: Work, **rules: ThresholdRule) -> None:
    """Runs of recipes with these rules."""
    for run, rule in rules.items():
        for fold in (0, 1):
            fakes.make_probs(work, run, fold, TRUTH, seed=fold, rule=rule)


def test_recipe_is_the_rule_of_the_members_recipe(work: Work) -> None:
    make_runs(work, r34=SEE, r50=SEE)
    options = parse(work, ["r34", "r50"], "recipe")
    assert options == DecisionOptions("recipe", None, SEE.in_frame(fakes.FRAME))
    assert not options.needs_fitting
    assert "recipe" in RULES


def test_members_with_different_rules_are_named(work: Work) -> None:
    make_runs(work, r34=SEE, other=VIEL)
    message = r"r34: 0\.718 / 1 / 0\.200; other: 0\.498 / 0 / 0\.498.*--rule, or.*--params"
    with pytest.raises(InputError, match=message):
        parse(work, ["r34", "other"], "recipe")


def test_a_recipe_s_class_gate_needs_image_probabilities(work: Work) -> None:
    make_runs(work, r34=PUBLISHED["x5"])
    with pytest.raises(InputError, match="--rule recipe needs image probabilities.*--gate RUN"):
        parse(work, ["r34"], "recipe")
    assert parse(work, ["r34"], "recipe", gate=["x"]).gate == ("x",)


def test_without_labels_the_recipe_s_rule_can_be_applied(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH, rule=SEE)
    assert parse(work, ["final"], "recipe").fixed_rule == SEE.in_frame(fakes.FRAME)


@pytest.mark.parametrize(
    ("flags", "cure"),
    [
        ({"rule": "expected", "choose": "best"}, "--choose best: .*--rule expected; leave it out"),
        ({"rule": "see", "choose": "plateau"}, "--choose plateau: .*--rule see"),
        ({"params": ["top=.5"], "choose": "best"}, "--choose best: "),
        ({"rule": "gated", "gate_fit": "stack"}, "--gate-fit stack .*add --gate RUN"),
    ],
)
def test_flags_without_effect_are_refused(work: Work, flags: dict[str, Any], cure: str) -> None:
    with pytest.raises(InputError, match=cure):
        parse(work, ["x"], **flags)


# --gate


@pytest.mark.parametrize(
    ("rule", "words", "gate", "message"),
    [
        ("gated", None, (), "--rule gated needs image probabilities.*--gate RUN"),
        ("x5", None, (), "--rule x5 needs image probabilities"),
        ("triplet", ["class_min=.4"], (), r"--params class_min=0\.4 needs image probabilities"),
        ("triplet", None, ("x",), "--gate x would gate nothing.*--rule gated"),
        ("see", None, ("x",), "--gate x would gate nothing"),
        ("triplet", ["top=.5"], ("x",), "--gate x would gate nothing.*class_min in --params"),
    ],
)
def test_gates_and_rules_that_do_not_fit_together_are_refused(
    work: Work, rule: str, words: list[str] | None, gate: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parse(work, ["a"], rule, params=words, gate=gate)


def test_a_member_with_an_image_head_serves_a_class_gate(work: Work) -> None:
    assert parse(work, ["a", "x"], "gated", "best").needs_p_positive


def test_without_labels_gates_can_be_averaged_but_not_stacked(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH, classes=dict.fromkeys(IMAGES, 0.5))
    with pytest.raises(InputError, match="give --gate-fit mean"):
        parse(work, ["final"], "x5", gate=["x"], gate_fit="stack")
    assert parse(work, ["final"], "x5", gate=["x"]).gate_fit == "mean"


def test_a_member_with_an_image_head_in_one_fold_only_is_refused(work: Work) -> None:
    fakes.make_probs(work, "z", 0, TRUTH, classes=dict.fromkeys(IMAGES, 0.5))
    fakes.make_probs(work, "z", 1, TRUTH)
    for rule in ("gated", "expected"):
        with pytest.raises(InputError, match=f"--rule {rule} .* in fold 1; run 03_infer.py"):
            parse(work, ["z"], rule)
    assert parse(work, ["z"], "gated", gate=["x"]).needs_p_positive


def test_a_member_of_weight_0_supplies_no_image_probabilities(work: Work) -> None:
    members = load(work, "a", "x", weights="1 0")
    with pytest.raises(InputError, match="--rule gated needs image probabilities"):
        parse_options(members, dataset.read(work), "gated", "plateau")


@pytest.mark.parametrize(
    ("flags", "other"),
    [
        ({"rule": "expected"}, "--rule triplet"),
        ({"rule": "auto"}, "--rule triplet"),
        ({"rule": "gated", "gate": ["x"], "gate_fit": "stack"}, "--gate-fit mean"),
    ],
)
def test_labels_of_one_kind_are_refused_for_what_is_fitted_on_both(
    tmp_path: Path, flags: dict[str, Any], other: str
) -> None:
    work = Work(tmp_path)
    truth = {name: mask & (name != "image00") for name, mask in fakes.masks(4).items()}
    fakes.make_dataset(work, truth)  # its one positive is in fold 1
    for run in "ax":
        for fold in (0, 1):
            p = dict.fromkeys([*truth, "test0", "test1"], 0.5)
            fakes.make_probs(work, run, fold, truth, classes=p)
    with pytest.raises(InputError, match=f"with and without a pneumothorax.*{other}"):
        parse(work, ["a"], **flags)
    assert parse(work, ["a"], "triplet")
    assert parse(work, ["a"], "gated", gate=["x"])


# --params-from


def make_decision(work: Work, rule: DecisionRule, name: str = "gated", **fields: Any) -> Path:
    """A decision beside WORK; return its folder."""
    draft = artifacts.begin(Work(work.root / "other").decision("d"), {})
    assert draft
    Decision(name, rule, **{"rle_size": fakes.FRAME} | fields).save(draft.path(DECISION_FILE))
    return draft.finish().location.folder


EXPECTED = ExpectedDiceRule(((0, 0.1), (255, 0.9)), EmptyClassifier(0.5, (1.0, -1.0, 2.0)))
GATED = ThresholdRule(0.7, 80, 0.3, class_min=0.4)


@pytest.mark.parametrize("rule", [SEE, GATED, EXPECTED])
def test_the_rule_of_a_decision_is_fixed(work: Work, rule: DecisionRule) -> None:
    options = parse(work, ["x"], params_from=make_decision(work, rule))
    assert options.rule == "params"
    assert options.fixed_rule
    assert options.fixed_rule.to_json() == rule.to_json()
    assert not options.needs_fitting
    assert options.needs_p_positive == rule.uses_p_positive


@pytest.mark.parametrize(
    ("rule", "size", "message"),
    [
        (SEE, 8, "its rule counts pixels of a frame of 8 px, .* 16 px; .*--params"),
        (EXPECTED, 8, "its rule counts pixels of a frame of 8 px, .* 16 px; .*--params"),
    ],
)
def test_a_decision_with_pixels_of_another_frame_is_refused(
    work: Work, rule: DecisionRule, size: int, message: str
) -> None:
    folder = make_decision(work, rule, rle_size=size)
    with pytest.raises(InputError, match=f"--params-from .*d: .*{message}"):
        parse(work, ["a"], params_from=folder)


@pytest.mark.parametrize(
    ("runs", "decision", "flags", "message"),
    [
        ("a", {}, {}, " needs image probabilities, and no member has an image head"),
        ("x", {"gate": ("y",)}, {}, "from --gate y --gate-fit mean, and here .* the members"),
        ("x", {}, {"gate": ["y"]}, "from the members, and here .* --gate y --gate-fit mean"),
        ("x", {"gate": ("y",), "gate_fit": "stack"}, {"gate": ["x"]}, "fit stack, .*fit mean;"),
    ],
)
def test_a_class_gate_needs_probabilities_like_those_of_its_decision(
    work: Work, runs: str, decision: dict[str, Any], flags: dict[str, Any], message: str
) -> None:
    folder = make_decision(work, GATED, **decision)
    with pytest.raises(InputError, match=f"--params-from .*d: its rule gated.*{message}"):
        parse(work, runs, params_from=folder, **flags)


@pytest.mark.parametrize("size", [8, None])
def test_thresholds_without_areas_are_carried_to_any_frame(work: Work, size: int | None) -> None:
    rule = ThresholdRule(top=0.7, bottom=0.3)
    options = parse(work, ["a"], params_from=make_decision(work, rule, rle_size=size))
    assert options.fixed_rule
    assert options.fixed_rule.to_json() == rule.to_json()


def test_the_file_of_a_decision_is_its_folder(work: Work) -> None:
    options = parse(work, ["a"], params_from=make_decision(work, SEE) / DECISION_FILE)
    assert options.fixed_rule


def test_a_submission_names_its_decision(work: Work) -> None:
    decision = artifacts.begin(work.decision("d-x"), {}).finish()
    submission = artifacts.begin(work.submission("d-x"), {}, [decision]).finish()
    with pytest.raises(InputError, match=f"of kind submission, .*: {decision.location.folder}$"):
        parse(work, ["a"], params_from=submission.location.folder)


def test_what_is_no_decision_is_refused(work: Work) -> None:
    with pytest.raises(InputError, match="nowhere is not a folder; .*decisions/NAME-TAG"):
        parse(work, ["a"], params_from=Path("nowhere"))
    with pytest.raises(InputError, match="kind dataset, not a decision; .*decisions/NAME-TAG"):
        parse(work, ["a"], params_from=work.dataset.folder)
    with pytest.raises(InputError, match="is not an artifact; .*decisions/NAME-TAG"):
        parse(work, ["a"], params_from=work.root)
    file = make_decision(work, SEE) / DECISION_FILE
    file.write_bytes(file.read_bytes().replace(b"0", b"1"))
    with pytest.raises(InputError, match="decision.json is damaged"):
        parse(work, ["a"], params_from=file.parent)
