"""How figures are taken."""

import time
from collections.abc import Callable
from typing import Any

Task = Callable[[], object]


def processor_seconds(task: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """How many seconds of the processor a call takes in this process, and what it returns."""
    start = time.process_time()
    result = task(*args)
    return time.process_time() - start, result


def seconds(task: Task, finish: Task = lambda: None) -> float:
    """How long a task takes, to the end of what it starts elsewhere: `finish` waits for that."""
    finish()
    start = time.perf_counter()
    task()
    finish()
    return time.perf_counter() - start


def side_by_side(rounds: int, *tasks: Task, finish: Task = lambda: None) -> list[float]:
    """The seconds that each task takes, in the best of several rounds.

    Tasks take turns, so that whatever else the machine does hits all alike. With one round, what
    a first call costs counts too.
    """
    times = [[seconds(task, finish) for task in tasks] for _ in range(rounds)]
    return [min(own) for own in zip(*times, strict=True)]
