"""One family of rules, from an 8-bit map to a mask: every published post-processing is in it."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from lib.errors import InputError
from lib.recipes.schema import Rule

LEVELS = 255  # a pixel passes level t if v > t; t = 0..254, as none passes 255


def level(p: float) -> int:
    """The 8-bit level that passes exactly the pixels with v / 255 > p.

    Raises:
        InputError: if p is outside 0..1, or 1, which no pixel passes.
    """
    if not 0 <= p < 1:
        raise InputError(f"threshold {p:g} is out of range; give 0 or more, and less than 1")
    return math.floor(LEVELS * p + 1e-9)  # t / 255 * 255 can fall just short of t


def levels(rule: Rule) -> tuple[int, int]:
    """The top and bottom level of a rule.

    Raises:
        InputError: if bottom is above top: the gate would look at fewer pixels than the mask has.
    """
    if rule.bottom > rule.top:
        raise InputError(
            f"bottom {rule.bottom:g} is above top {rule.top:g}; the mask's threshold must not be "
            "the higher one: swap them"
        )
    return level(rule.top), level(rule.bottom)


def from_levels(top: int, bottom: int, min_area: int = 0) -> Rule:
    """The rule with these 8-bit levels, in published units."""
    return Rule(top=top / LEVELS, min_area=int(min_area), bottom=bottom / LEVELS)


def to_json(rule: Rule) -> dict[str, Any]:
    """A rule as decision.json holds it: thresholds as 8-bit levels."""
    top, bottom = levels(rule)
    return asdict(rule) | {"top": top, "bottom": bottom}


def from_json(decision: Mapping[str, Any]) -> Rule:
    """The rule of a decision.json; keys that are not the rule's are left alone."""
    fields = {name: decision[name] for name in asdict(Rule())}
    thresholds = {name: fields[name] / LEVELS for name in ("top", "bottom")}
    return Rule(**fields | thresholds)


def apply(rule: Rule, map_8bit: np.ndarray, class_probability: float | None = None) -> np.ndarray:
    """Turn a map into a mask.

    Args:
        rule: with areas in pixels of the map.
        map_8bit: (height, width) uint8, p = v / 255.
        class_probability: p(positive) of the image, for rules with `class_min`.

    Returns:
        (height, width) bool.

    Raises:
        InputError: if bottom is above top, or the rule needs a class probability and has none.
    """
    top, bottom = levels(rule)
    empty = np.zeros(map_8bit.shape, bool)
    if rule.class_min is not None and not _passes_class(rule.class_min, class_probability):
        return empty
    if rule.min_area and np.count_nonzero(map_8bit > top) < rule.min_area:
        return empty
    mask = map_8bit > bottom
    if rule.component_min_area:
        mask = _without_small_components(mask, rule.component_min_area)
    if rule.fill_holes:
        mask = _filled(mask)
    return mask


def _passes_class(class_min: float, class_probability: float | None) -> bool:
    if class_probability is None:
        raise InputError(
            f"class_min {class_min:g} needs image probabilities; "
            "use a member with an image head, or leave class_min out"
        )
    return class_probability >= class_min


def _without_small_components(mask: np.ndarray, min_area: int) -> np.ndarray:
    """Remove 8-connected components of fewer pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= min_area
    large[0] = False  # the background
    return large[labels]


def _filled(mask: np.ndarray) -> np.ndarray:
    """Fill holes: background that no 4-connected path joins to the outside."""
    padded = np.pad(mask.astype(np.uint8), 1)
    cv2.floodFill(padded, None, (0, 0), 2)
    return padded[1:-1, 1:-1] != 2
