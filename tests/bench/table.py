"""How figures are taken and shown."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


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


def processor_seconds(task: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """How many seconds of the processor a call takes in this process, and what it returns."""
    start = time.process_time()
    result = task(*args)
    return time.process_time() - start, result


def side_by_side(rounds: int, *tasks: Callable[[], Any]) -> list[float]:
    """The seconds that each task takes, in the best of several rounds.

    Tasks take turns, so that whatever else the machine does hits all alike.
    """
    seconds = [[_seconds(task) for task in tasks] for _ in range(rounds)]
    return [min(own) for own in zip(*seconds, strict=True)]


def _seconds(task: Callable[[], Any]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start
