"""Numbers and rules as people read them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lib.decision.deciders import Decider
from lib.decision.expected_dice import ExpectedDiceRule

NONE = "–"
STATED = "params"  # the name of a rule that has none
EXPECTED = "expected"
EXPECTED_STEPS = [
    "A pixel's value becomes how often such pixels are in a pneumothorax, where there is one.",
    "Among the masks of all pixels above one of 255 levels, the one of the highest expected Dice "
    "is taken, of every image by itself.",
    "An image is empty where that is likelier than the mask's expected score: the chance of a "
    "pneumothorax times the expected Dice.",
]


def dice(value: float | None) -> str:
    return NONE if value is None or np.isnan(value) else f"{value:.4f}"


def percent(value: float) -> str:
    return NONE if np.isnan(value) else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def pixels(area: float) -> str:
    return NONE if np.isnan(area) else f"{area:,.0f}"


def origin(decided: Mapping[str, Any]) -> str:
    """Where the rule of a decision.json comes from."""
    if decided["rule"] == STATED:
        return "A rule that was stated, not fitted, makes a mask of them:"
    if decided.get("expected"):
        return "Probabilities calibrated on out-of-fold images make a mask of them:"
    if not decided.get("choose"):
        return f"The published rule “{decided['rule']}”, not fitted, makes a mask of them:"
    where = {
        "plateau": "in the middle of those that score as well",
        "best": "where the score peaks",
    }
    return (
        f"A rule of the kind “{decided['rule']}”, fitted on out-of-fold images and taken "
        f"{where[decided['choose']]}, makes a mask of them:"
    )


def settled(decided: Mapping[str, Any]) -> str | None:
    """Which of two rules was taken and why; None if one was asked for."""
    auto = decided.get("auto")
    return f"Taken was “{auto['rule']}”: {auto['reason']}." if auto else None


def circumstances(
    decided: Mapping[str, Any], ensemble: Mapping[str, Any], class_gate: bool, voted: bool
) -> list[str]:
    """What a rule is applied to, where that is not the plain mean of the members.

    Args:
        decided: the config of the decision: `choose`, `gate`, `gate_fit`.
        ensemble: the config of the ensemble: `weights`.
        class_gate: whether the rule asks for the image's probability.
        voted: whether each fold decided on the test images by itself.
    """
    said = []
    if class_gate:
        said.append(_class_probability(decided.get("gate") or [], decided.get("gate_fit")))
    if ensemble["weights"] == "search":
        said.append("How much each member counts was searched on the out-of-fold images.")
    if voted:
        fitted = "a rule of this kind, fitted on the fold's out-of-fold images,"
        own = fitted if decided.get("choose") or decided.get("rule") == EXPECTED else "the rule"
        said.append(
            f"Test images are voted on: {own} decides on the maps of each fold, and a pixel is in "
            "the mask where more than half of the folds have it."
        )
    return said


def _class_probability(gates: Sequence[str], fit: str | None) -> str:
    """Where the probability of a pneumothorax comes from."""
    if not gates:
        return "The probability of a pneumothorax is the members' own, their mean."
    named = ", ".join(gates)
    if fit == "stack":
        return (
            "The probability of a pneumothorax is a logistic regression, fitted on out-of-fold "
            f"images, on those of {named} and of the members that have an image head."
        )
    return f"The probability of a pneumothorax is the mean of those of {named}."


def steps(rule: Decider, size: int) -> list[str]:
    """A rule in the order in which it is applied.

    Args:
        rule: with areas in pixels of the frame.
        size: the frame's side, in pixels.
    """
    if isinstance(rule, ExpectedDiceRule):
        return EXPECTED_STEPS
    said = []
    if rule.class_min is not None:
        said.append(
            f"An image whose probability of a pneumothorax is below {rule.class_min:.3f} is empty."
        )
    if rule.min_area == 1:
        said.append(f"An image without any pixel above {rule.top:.3f} is empty.")
    elif rule.min_area:
        said.append(
            f"An image with fewer than {rule.min_area:,} of its {size} × {size} pixels above "
            f"{rule.top:.3f} is empty."
        )
    said.append(f"The mask is every pixel above {rule.bottom:.3f}.")
    if rule.component_min_area:
        said.append(f"Connected parts of fewer than {rule.component_min_area:,} pixels go.")
    if rule.fill_holes:
        said.append("Holes are filled.")
    return said
