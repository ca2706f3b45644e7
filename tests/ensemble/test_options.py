"""Options of a decision: what the flags mean, and combinations that are refused."""

import pytest

from lib.decision.rules import ThresholdRule
from lib.ensemble.options import RULES, DecisionOptions, parse_options, parse_params
from lib.errors import InputError
from lib.layout import ALL_DATA, Work
from lib.recipes.published_rules import PUBLISHED
from tests import fakes
from tests.ensemble.builders import IMAGES, TRUTH, load

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
    options = parse_options(load(work, "a"), "see", "plateau")
    assert options == DecisionOptions("see", None, PUBLISHED["see"])
    assert not options.needs_fitting


def test_expected_needs_no_image_heads_and_has_nothing_to_choose(work: Work) -> None:
    options = parse_options(load(work, "a"), "expected", "plateau")
    assert options.wants_p_positive
    assert not options.needs_p_positive
    assert options.choose is None
    assert parse_options(load(work, "a"), "auto", "best").choose == "best"


def test_without_labels_a_searched_rule_is_refused(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH)
    members = load(work, "final")
    with pytest.raises(InputError, match="no out-of-fold maps.*state a rule: --params"):
        parse_options(members, "triplet", "plateau")
    assert parse_options(members, "see", "plateau").fixed_rule


# --rule recipe

SEE, VIEL = PUBLISHED["see"], PUBLISHED["viel"]


def make_runs(work: Work, **rules: ThresholdRule) -> None:
    """Runs of recipes with these rules."""
    for run, rule in rules.items():
        for fold in (0, 1):
            fakes.make_probs(work, run, fold, TRUTH, seed=fold, rule=rule)


def test_recipe_is_the_rule_of_the_members_recipe(work: Work) -> None:
    make_runs(work, r34=SEE, r50=SEE)
    options = parse_options(load(work, "r34", "r50"), "recipe", "plateau")
    assert options == DecisionOptions("recipe", None, SEE)
    assert not options.needs_fitting
    assert "recipe" in RULES


def test_members_with_different_rules_are_named(work: Work) -> None:
    make_runs(work, r34=SEE, other=VIEL)
    message = r"r34: 0\.718 / 1 / 0\.200; other: 0\.498 / 0 / 0\.498.*--rule, or.*--params"
    with pytest.raises(InputError, match=message):
        parse_options(load(work, "r34", "other"), "recipe", "plateau")


def test_a_recipe_s_class_gate_needs_image_probabilities(work: Work) -> None:
    make_runs(work, r34=PUBLISHED["x5"])
    with pytest.raises(InputError, match="--rule recipe needs image probabilities.*--gate RUN"):
        parse_options(load(work, "r34"), "recipe", "plateau")
    assert parse_options(load(work, "r34"), "recipe", "plateau", gate=["x"]).gate == ("x",)


def test_without_labels_the_recipe_s_rule_can_be_applied(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH, rule=SEE)
    assert parse_options(load(work, "final"), "recipe", "plateau").fixed_rule == SEE


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
        parse_options(load(work, "a"), rule, "plateau", words, gate)


def test_a_member_with_an_image_head_serves_a_class_gate(work: Work) -> None:
    assert parse_options(load(work, "a", "x"), "gated", "best").needs_p_positive


def test_without_labels_gates_can_be_averaged_but_not_stacked(work: Work) -> None:
    fakes.make_probs(work, "final", ALL_DATA, TRUTH, classes=dict.fromkeys(IMAGES, 0.5))
    members = load(work, "final")
    with pytest.raises(InputError, match="no --gate-fit stack"):
        parse_options(members, "x5", "plateau", gate=["x"], gate_fit="stack")
    assert parse_options(members, "x5", "plateau", gate=["x"]).gate_fit == "mean"
