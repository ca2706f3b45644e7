"""Numbers and the origin of a rule as text for the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.decision.schema import PARAMS, STACK, Decision

NONE = "–"
PLACES = {
    "plateau": "in the middle of the plateau of equally good scores",
    "best": "where the score peaks",
}


def dice(value: float | None) -> str:
    """Return a Dice with four digits; a dash for None and NaN."""
    return NONE if value is None or np.isnan(value) else f"{value:.4f}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent; a dash for NaN."""
    return NONE if np.isnan(fraction) else f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def pixels(area: float) -> str:
    """Return an area in pixels; a dash for NaN."""
    return NONE if np.isnan(area) else f"{area:,.0f}"


def describe_origin(decision: Decision) -> str:
    """Return a sentence on the origin of a decision's rule."""
    if decision.rule_name == PARAMS:
        return "A rule that was given by flags, not fitted, makes a mask of them:"
    if decision.is_fixed:
        return f"The published rule “{decision.rule_name}”, not fitted, makes a mask of them:"
    if decision.rule.is_calibrated:
        return "Probabilities calibrated on out-of-fold images make a mask of them:"
    kind = decision.auto.rule if decision.auto else decision.rule_name
    return (
        f"A rule of the kind “{kind}”, fitted on out-of-fold images and taken "
        f"{PLACES[str(decision.choose)]}, makes a mask of them:"
    )


def describe_inputs(decision: Decision, ensemble: Mapping[str, Any]) -> list[str]:
    """Return sentences on a rule's inputs other than the plain mean of the members.

    Args:
        decision: the rule and its gates.
        ensemble: config of the ensemble: `weights`.
    """
    sentences = []
    if decision.rule.uses_p_positive:
        sentences.append(_describe_gate(decision.gate, decision.gate_fit))
    if ensemble["weights"] == "search":
        sentences.append("The weights of the members were searched on the out-of-fold images.")
    return sentences


def _describe_gate(gates: Sequence[str], gate_fit: str) -> str:
    """Return where p(positive) of an image comes from."""
    if not gates:
        return "The probability of a pneumothorax is the members' mean."
    names = ", ".join(gates)
    if gate_fit == STACK:
        return (
            "The probability of a pneumothorax is a logistic regression, fitted on out-of-fold "
            f"images, on those of {names} and of the members that have an image head."
        )
    return f"The probability of a pneumothorax is the mean of those of {names}."
