"""Disk space: what a stage needs and what is free, printed before the stage fills the disk."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from lib.errors import InputError

SAMPLE = 32  # files that the need is estimated from
MB = 1e6

Result = TypeVar("Result")


def report_need(folder: Path, n_bytes: float) -> None:
    """Print what will be written to a folder beside what is free.

    Raises:
        InputError: if it cannot fit.
    """
    free = shutil.disk_usage(folder).free
    need = f"{folder} needs about {n_bytes / MB:,.0f} MB more; {free / MB:,.0f} MB are free"
    if n_bytes > free:
        raise InputError(f"{need}: free disk space, then run the same command again")
    tqdm.write(need, file=sys.stdout)


def report_need_early(
    results: Iterable[Result], files: Iterable[Sequence[Path]], n_remaining: int
) -> Iterator[Result]:
    """Pass results on; after the first ones, report the need of all, estimated from their files.

    Args:
        results: one for each image or batch, in order, after its files were written.
        files: the files of each result, in folders of artifacts on one disk.
        n_remaining: number of results whose files are yet to be written.

    Raises:
        InputError: if they cannot fit.
    """
    n_files = n_bytes = 0
    for number, result, paths in zip(count(1), results, files, strict=False):
        if n_files < SAMPLE and paths:
            written = [path.stat().st_size for path in paths if path.exists()]
            n_files, n_bytes = n_files + len(written), n_bytes + sum(written)
            if n_files >= SAMPLE:
                folder = os.path.commonpath([path.parents[1] for path in paths])
                report_need(Path(folder), n_bytes / number * max(n_remaining - number, 0))
        yield result
