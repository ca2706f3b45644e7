"""Rows and numbers as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence

from lib.decision.deciders import Decider
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.rules import LEVELS, levels

NONE = "–"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield _line(columns)
    yield "|---" * len(columns) + "|"
    yield from map(_line, rows)


def below(about: str, notes: Sequence[str]) -> Iterator[str]:
    """Yield the text below a table: the meaning of its columns, and a list of notes."""
    yield f"\n{about}"
    if notes:
        yield ""
        yield from (f"- {note}" for note in notes)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number; a dash for None and NaN."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(fraction: float) -> str:
    """Return a fraction in per cent, without the sign; a dash for NaN."""
    return number(100 * fraction, 2)


def between(value: float, interval: tuple[float, float], sign: str = "") -> str:
    """Return a number and its interval; `sign` is "+" for differences."""
    low, high = interval
    return f"{value:{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"


def in_short(rule: Decider) -> str:
    """Return a rule's parameters; thresholds are rounded to the levels of 8-bit maps."""
    if isinstance(rule, ExpectedDiceRule):
        return "each image's own"
    top, bottom = levels(rule)
    parts = [f"{top / LEVELS:.3f} / {rule.min_area} / {bottom / LEVELS:.3f}"]
    if rule.component_min_area:
        parts.append(f"components {rule.component_min_area}")
    if rule.fill_holes:
        parts.append("filled")
    if rule.class_min is not None:
        parts.append(f"class {rule.class_min:.3f}")
    return ", ".join(parts)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
