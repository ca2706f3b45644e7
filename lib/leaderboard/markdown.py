"""Rows and numbers as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence

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


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
