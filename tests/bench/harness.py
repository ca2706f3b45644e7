"""Timing and result tables, shared by the benchmarks."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lib.errors import InputError
from lib.leaderboard import markdown

ROOT = Path(__file__).resolve().parents[2]
Task = Callable[[], object]
NO_GPU = "no GPU"


class Row(NamedTuple):
    """One line of a result table."""

    figure: str
    value: str
    target: str


def parse_args(argv: Sequence[str], doc: str | None, **defaults: int | str) -> argparse.Namespace:
    """Parse the flags of a benchmark.

    Args:
        argv: words of the command line.
        doc: docstring of the benchmark, shown by --help as it is.
        defaults: value of each flag if it is not given.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args(argv)


def print_lines(lines: Iterable[str]) -> None:
    """Print each line at once, as measuring takes minutes."""
    for line in lines:
        print(line, flush=True)


def print_table(rows: Iterable[Row]) -> None:
    """Print rows as a Markdown table, each as soon as it is measured."""
    print_lines(markdown.table(Row._fields, rows))


def format_gain(gains: np.ndarray, patients: np.ndarray | None = None) -> str:
    """Return a mean gain and its interval, drawing patients, or else images."""
    groups = np.arange(len(gains)) if patients is None else patients
    return markdown.cell(markdown.mean_and_interval(gains, groups, is_difference=True))


def run_stage(work: Path, script: str, *flags: str | Path) -> None:
    """Run a stage script on `work`.

    Raises:
        InputError: if it refuses its input, with the last line of its stderr.
        RuntimeError: if it fails otherwise.
    """
    command = [sys.executable, script, *map(str, flags), "--work", str(work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 2:
        reason = done.stderr.strip().splitlines()[-1].removeprefix("error: ")
        raise InputError(f"{script}: {reason}")
    if done.returncode:
        raise RuntimeError(f"{script} ended with {done.returncode}: {done.stderr}")


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
