"""What decides on an image: thresholds, or the expected Dice; how it is written and applied."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lib.decision import expected_dice, rules
from lib.decision.expected_dice import ExpectedDiceRule
from lib.recipes.schema import Rule

Decider = Rule | ExpectedDiceRule


def to_json(decider: Decider) -> dict[str, Any]:
    """As decision.json holds it: what the other kind has is null."""
    if isinstance(decider, ExpectedDiceRule):
        return dict.fromkeys(asdict(Rule())) | {"expected": decider.to_json()}
    return rules.to_json(decider) | {"expected": None}


def from_json(decision: Mapping[str, Any]) -> Decider:
    """What a decision.json decides by; keys of other meaning are left alone."""
    if decision.get("expected"):
        return expected_dice.from_json(decision["expected"])
    return rules.from_json(decision)


def apply(
    decider: Decider, map_8bit: np.ndarray, class_probability: float | None = None
) -> np.ndarray:
    """Turn a map into a mask; arguments as `rules.apply`."""
    if isinstance(decider, ExpectedDiceRule):
        return decider.mask(map_8bit, class_probability)
    return rules.apply(decider, map_8bit, class_probability)
