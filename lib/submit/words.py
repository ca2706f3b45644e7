"""Numbers and rules as people read them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lib.recipes.schema import Rule

NONE = "–"


def dice(value: float | None) -> str:
    return NONE if value is None or np.isnan(value) else f"{value:.4f}"


def percent(value: float) -> str:
    return NONE if np.isnan(value) else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def pixels(area: float) -> str:
    return NONE if np.isnan(area) else f"{area:,.0f}"


def origin(decided: Mapping[str, Any]) -> str:
    """Where the rule of a decision.json comes from."""
    if not decided.get("choose"):
        return "A rule that was stated, not fitted, makes a mask of them:"
    where = {
        "plateau": "in the middle of those that score as well",
        "best": "where the score peaks",
    }
    return (
        f"A rule of the kind “{decided['rule']}”, fitted on out-of-fold images and taken "
        f"{where[decided['choose']]}, makes a mask of them:"
    )


def steps(rule: Rule, size: int) -> list[str]:
    """A rule in the order in which it is applied.

    Args:
        rule: with areas in pixels of the frame.
        size: the frame's side, in pixels.
    """
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
