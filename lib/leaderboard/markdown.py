"""Rows and numbers as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence

from lib.decision.deciders import Decider
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.rules import LEVELS, levels

NONE = "–"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield _line(columns)
    yield "|---" * len(columns) + "|"
    yield from map(_line, rows)


def below(about: str, notes: Sequence[str]) -> Iterator[str]:
    """What the columns mean, and a list of what is special."""
    yield f"\n{about}"
    if notes:
        yield ""
        yield from (f"- {note}" for note in notes)


def number(value: float | None, digits: int = 4) -> str:
    """A figure; a dash where it cannot be had."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(share: float) -> str:
    """A share in per cent, without the sign."""
    return number(100 * share, 2)


def between(value: float, interval: tuple[float, float], sign: str = "") -> str:
    """A number and its interval; `sign` "+" for differences."""
    low, high = interval
    return f"{value:{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"


def in_short(rule: Decider) -> str:
    """A rule's parameters; thresholds as the 8-bit maps have them, whatever was asked."""
    if isinstance(rule, ExpectedDiceRule):
        return "each image's own"
    top, bottom = levels(rule)
    said = [f"{top / LEVELS:.3f} / {rule.min_area} / {bottom / LEVELS:.3f}"]
    if rule.component_min_area:
        said.append(f"components {rule.component_min_area}")
    if rule.fill_holes:
        said.append("filled")
    if rule.class_min is not None:
        said.append(f"class {rule.class_min:.3f}")
    return ", ".join(said)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
