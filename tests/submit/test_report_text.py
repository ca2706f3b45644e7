"""Rules and numbers as text of the report."""

import re

import pytest

from lib.recipes.schema import Rule
from lib.submit import report_text


@pytest.mark.parametrize(
    ("rule", "steps"),
    [
        (Rule(), ["pixel above 0.500"]),
        (Rule(0.9, 1, 0.2), ["without any pixel above 0.900 is empty", "pixel above 0.200"]),
        (
            Rule(0.7, 2000, 0.3, component_min_area=50, fill_holes=True, class_min=0.4),
            [
                "probability of a pneumothorax is below 0.400 is empty",
                "fewer than 2,000 of its 64 × 64 pixels above 0.700 is empty",
                "pixel above 0.300",
                "fewer than 50 pixels",
                "Holes",
            ],
        ),
    ],
)
def test_the_steps_of_a_rule_are_in_the_order_of_their_application(
    rule: Rule, steps: list[str]
) -> None:
    sentences = report_text.describe_steps(rule, 64)
    assert len(sentences) == len(steps)
    assert all(step in sentence for step, sentence in zip(steps, sentences, strict=True))


@pytest.mark.parametrize(
    ("decision", "origin"),
    [
        ({"rule": "triplet", "choose": "plateau"}, "“triplet”, fitted .*in the middle"),
        ({"rule": "duplet", "choose": "best"}, "“duplet”, fitted .*where the score peaks"),
        ({"rule": "params", "choose": None}, "fixed rule, not fitted"),
        ({"rule": "see", "choose": None}, "published rule “see”, not fitted"),
    ],
)
def test_the_origin_of_a_rule(decision: dict, origin: str) -> None:
    assert re.search(origin, report_text.describe_origin(decision))


EQUAL, SEARCHED = {"weights": [0.5, 0.5]}, {"weights": "search"}


@pytest.mark.parametrize(
    ("decision", "ensemble", "class_gate", "patterns"),
    [
        ({}, EQUAL, False, []),
        ({}, EQUAL, True, ["the members' mean"]),
        ({"gate": ["a", "b"], "gate_fit": "mean"}, EQUAL, True, ["the mean of those of a, b"]),
        ({"gate": ["a"], "gate_fit": "stack"}, EQUAL, True, ["regression, .* of a and"]),
        ({}, SEARCHED, False, ["weights .* searched on the out-of-fold"]),
    ],
)
def test_the_inputs_of_a_rule(
    decision: dict, ensemble: dict, class_gate: bool, patterns: list[str]
) -> None:
    sentences = report_text.describe_inputs(decision, ensemble, class_gate)
    assert len(sentences) == len(patterns)
    assert all(re.search(*pair) for pair in zip(patterns, sentences, strict=True))


@pytest.mark.parametrize("text", [report_text.dice, report_text.percent, report_text.pixels])
def test_nan_is_a_dash(text) -> None:
    assert text(float("nan")) == "–"
