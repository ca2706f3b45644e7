"""Rows and numbers as Markdown."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lib.bootstrap import interval

NONE = "–"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield line(columns)
    yield "|---" * len(columns) + "|"
    yield from map(line, rows)


def line(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


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


def mean_and_interval(values: np.ndarray, patients: np.ndarray, sign: str = "") -> str:
    """Return a mean and its 95 % interval over patients; `sign` is "+" for differences."""
    low, high = interval(values, patients)
    return f"{values.mean():{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"
