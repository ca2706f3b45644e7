"""Rules and numbers as text of the report."""

import re

import pytest

from lib.decision.rules import ThresholdRule
from lib.decision.schema import Decision
from lib.submit import report_text

HALF, GATED = ThresholdRule(), ThresholdRule(class_min=0.5)


@pytest.mark.parametrize(
    ("decision", "origin"),
    [
        (Decision("triplet", HALF, "plateau"), "“triplet”, fitted .*in the middle"),
        (Decision("duplet", HALF, "best"), "“duplet”, fitted .*where the score peaks"),
        (Decision("params", HALF), "by flags, not fitted"),
        (Decision("see", HALF), "published rule “see”, not fitted"),
    ],
)
def test_the_origin_of_a_rule(decision: Decision, origin: str) -> None:
    assert re.search(origin, report_text.describe_origin(decision))


EQUAL, SEARCHED = {"weights": [0.5, 0.5]}, {"weights": "search"}


@pytest.mark.parametrize(
    ("decision", "ensemble", "patterns"),
    [
        (Decision("triplet", HALF), EQUAL, []),
        (Decision("gated", GATED), EQUAL, ["the members' mean"]),
        (Decision("gated", GATED, gate=("a", "b")), EQUAL, ["the mean of those of a, b"]),
        (
            Decision("gated", GATED, gate=("a",), gate_fit="stack"),
            EQUAL,
            ["regression, .* a and"],
        ),
        (Decision("triplet", HALF), SEARCHED, ["weights .* searched on the out-of-fold"]),
    ],
)
def test_the_inputs_of_a_rule(decision: Decision, ensemble: dict, patterns: list[str]) -> None:
    sentences = report_text.describe_inputs(decision, ensemble)
    assert len(sentences) == len(patterns)
    assert all(re.search(*pair) for pair in zip(patterns, sentences, strict=True))


@pytest.mark.parametrize("text", [report_text.dice, report_text.percent, report_text.pixels])
def test_nan_is_a_dash(text) -> None:
    assert text(float("nan")) == "–"
