"""Rows and numbers as Markdown."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lib.bootstrap import interval

NONE = "–"


class MeanInterval(NamedTuple):
    """A mean and its 95 % interval over patients; a difference is printed with its sign."""

    mean: float
    low: float
    high: float
    is_difference: bool = False


Value = str | int | float | MeanInterval | None
Record = Mapping[str, Value]  # a row of a table: values by column


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


def mean_and_interval(
    values: np.ndarray, patients: np.ndarray, is_difference: bool = False
) -> MeanInterval:
    """Return the mean of the images' values, and its interval."""
    return MeanInterval(float(values.mean()), *interval(values, patients), is_difference)


def cell(value: Value, digits: int = 4) -> str:
    """Return a value as the text of a cell: numbers with these digits, counts with commas."""
    if isinstance(value, MeanInterval):
        sign = "+" if value.is_difference else ""
        mean, low, high = (f"{number:{sign}.4f}" for number in value[:3])
        return f"{mean} ({low} to {high})"
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else number(value, digits)


def plain(table_name: str, record: Record) -> dict[str, object]:
    """Return a record as a row of a CSV file: an interval becomes three columns."""
    row: dict[str, object] = {"table": table_name}
    for column, value in record.items():
        name = column.removesuffix(" (95 %)")
        if isinstance(value, MeanInterval):
            row |= {name: value.mean, f"{name}, low": value.low, f"{name}, high": value.high}
        else:
            row[name] = value
    return row
