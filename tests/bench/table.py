"""How figures are shown."""

from collections.abc import Iterable
from typing import NamedTuple

NO_GPU = "no GPU"


class Row(NamedTuple):
    """A line of the table."""

    figure: str
    value: str
    target: str


def show(rows: Iterable[Row]) -> None:
    """Print a Markdown table, each line as soon as it is known."""
    print("| figure | value | target |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
