"""What decides on an image: thresholds, or the expected Dice; how it is written and applied."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lib.decision import expected, rules
from lib.decision.expected import Expected
from lib.recipes.schema import Rule

Decider = Rule | Expected


def to_json(decider: Decider) -> dict[str, Any]:
    """As decision.json holds it: what the other kind has is null."""
    if isinstance(decider, Expected):
        return dict.fromkeys(asdict(Rule())) | {"expected": decider.to_json()}
    return rules.to_json(decider) | {"expected": None}


def from_json(decision: Mapping[str, Any]) -> Decider:
    """What a decision.json decides by; keys of other meaning are left alone."""
    if decision.get("expected"):
        return expected.from_json(decision["expected"])
    return rules.from_json(decision)


def apply(
    decider: Decider, map_8bit: np.ndarray, class_probability: float | None = None
) -> np.ndarray:
    """Turn a map into a mask; arguments as `rules.apply`."""
    if isinstance(decider, Expected):
        return decider.mask(map_8bit, class_probability)
    return rules.apply(decider, map_8bit, class_probability)
