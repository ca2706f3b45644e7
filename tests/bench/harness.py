"""Timing and result tables, shared by the benchmarks."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Task = Callable[[], object]
NO_GPU = "no GPU"


class Row(NamedTuple):
    """One line of a result table."""

    figure: str
    value: str
    target: str


def print_table(rows: Iterable[Row]) -> None:
    """Print a Markdown table, each line as soon as it is measured."""
    print("| figure | value | target |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def time_cpu(task: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """Return the processor time of a call in this process, in seconds, and its result."""
    start = time.process_time()
    result = task(*args)
    return time.process_time() - start, result


def time_wall(task: Task, finish: Task = lambda: None) -> float:
    """Return the wall time of a task in seconds.

    Args:
        task: the work to time.
        finish: waits for work that the task started on another device.
    """
    finish()
    start = time.perf_counter()
    task()
    finish()
    return time.perf_counter() - start


def best_times(rounds: int, *tasks: Task, finish: Task = lambda: None) -> list[float]:
    """Return the shortest wall time of each task over several rounds, in seconds.

    The tasks run in turn, so that other load on the machine slows all of them alike. With one
    round, the cost of a first call counts too.
    """
    times = [[time_wall(task, finish) for task in tasks] for _ in range(rounds)]
    return [min(times_of_task) for times_of_task in zip(*times, strict=True)]
