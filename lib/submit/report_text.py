"""Numbers, rules and their origin as text for the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.decision.deciders import Decider
from lib.decision.expected_dice import ExpectedDiceRule

NONE = "–"
FIXED = "params"  # the name of a rule whose parameters were given by flags
PLACES = {
    "plateau": "in the middle of the plateau of equally good scores",
    "best": "where the score peaks",
}
EXPECTED_STEPS = [
    "A pixel's value becomes the observed frequency at which such pixels are in a pneumothorax, "
    "in images that have one.",
    "The mask is all pixels above one of 255 levels: in each image, the level of the highest "
    "expected Dice.",
    "An image is empty if that is likelier than the mask's expected score, which is the "
    "probability of a pneumothorax times the expected Dice.",
]


def dice(value: float | None) -> str:
    """Return a Dice with four digits; a dash for None and NaN."""
    return NONE if value is None or np.isnan(value) else f"{value:.4f}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent; a dash for NaN."""
    return NONE if np.isnan(fraction) else f"{100 * fraction:.1f}\N{NO-BREAK SPACE}%"


def pixels(area: float) -> str:
    """Return an area in pixels; a dash for NaN."""
    return NONE if np.isnan(area) else f"{area:,.0f}"


def describe_origin(decision_json: Mapping[str, Any]) -> str:
    """Return a sentence on where the rule of a decision.json comes from."""
    name, choose = decision_json["rule"], decision_json.get("choose")
    if name == FIXED:
        return "A fixed rule, not fitted, makes a mask of them:"
    if decision_json.get("expected"):
        return "Probabilities calibrated on out-of-fold images make a mask of them:"
    if not choose:
        return f"The published rule “{name}”, not fitted, makes a mask of them:"
    return (
        f"A rule of the kind “{name}”, fitted on out-of-fold images and taken {PLACES[choose]}, "
        "makes a mask of them:"
    )


def describe_auto(decision_json: Mapping[str, Any]) -> str | None:
    """Return which rule --rule auto took and why; None for other rules."""
    auto = decision_json.get("auto")
    return f"Taken was “{auto['rule']}”: {auto['reason']}." if auto else None


def describe_inputs(
    decision: Mapping[str, Any], ensemble: Mapping[str, Any], class_gate: bool
) -> list[str]:
    """Return sentences on a rule's inputs other than the plain mean of the members.

    Args:
        decision: config of the decision: `gate`, `gate_fit`.
        ensemble: config of the ensemble: `weights`.
        class_gate: True if the rule uses p(positive) of the image.
    """
    sentences = []
    if class_gate:
        sentences.append(_describe_gate(decision.get("gate") or [], decision.get("gate_fit")))
    if ensemble["weights"] == "search":
        sentences.append("The weights of the members were searched on the out-of-fold images.")
    return sentences


def _describe_gate(gates: Sequence[str], gate_fit: str | None) -> str:
    """Return where p(positive) of an image comes from."""
    if not gates:
        return "The probability of a pneumothorax is the members' mean."
    names = ", ".join(gates)
    if gate_fit == "stack":
        return (
            "The probability of a pneumothorax is a logistic regression, fitted on out-of-fold "
            f"images, on those of {names} and of the members that have an image head."
        )
    return f"The probability of a pneumothorax is the mean of those of {names}."


def describe_steps(rule: Decider, size: int) -> list[str]:
    """Return the steps of a rule, in the order in which they are applied.

    Args:
        rule: with areas in pixels of the RLE frame.
        size: the side of the RLE frame, in pixels.
    """
    if isinstance(rule, ExpectedDiceRule):
        return EXPECTED_STEPS
    steps = []
    if rule.class_min is not None:
        steps.append(
            f"An image whose probability of a pneumothorax is below {rule.class_min:.3f} is empty."
        )
    if rule.min_area == 1:
        steps.append(f"An image without any pixel above {rule.top:.3f} is empty.")
    elif rule.min_area:
        steps.append(
            f"An image with fewer than {rule.min_area:,} of its {size} × {size} pixels above "
            f"{rule.top:.3f} is empty."
        )
    steps.append(f"The mask is every pixel above {rule.bottom:.3f}.")
    if rule.component_min_area:
        steps.append(
            f"Connected components of fewer than {rule.component_min_area:,} pixels are removed."
        )
    if rule.fill_holes:
        steps.append("Holes are filled.")
    return steps
