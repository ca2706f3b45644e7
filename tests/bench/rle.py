"""Speed of the run-length code, against loops in Python.

    python -m tests.bench rle [--images 64]

A fourth of the phantoms have a mask. They are drawn at 1024 x 1024 px, and the areas of the masks
span those of the competition.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from lib import rle
from lib.prepare.phantom.anatomy import draw_build
from lib.prepare.phantom.cases import Case, plan_cases
from lib.prepare.phantom.radiograph import take_radiograph
from tests.bench import reference
from tests.bench.harness import Row, parse_args, print_table, time_cpu

SIZE = 1024
REPEATS = 20  # of calls that take milliseconds


def draw_mask(case: Case, size: int) -> np.ndarray:
    """Draw the mask of a phantom."""
    build = draw_build(case.sex, case.age, case.patient_rng())
    _, annotations = take_radiograph(build, case.ap, case.lesion, size, case.rng())
    return np.any(annotations, axis=0)


def best_cpu_times(
    task: Callable[..., object], inputs: Sequence[object], repeats: int = 1
) -> np.ndarray:
    """Return the shortest processor time in seconds of a task on each input."""
    return np.array([min(time_cpu(task, value)[0] for _ in range(repeats)) for value in inputs])


def ratio_text(slow: np.ndarray, fast: np.ndarray) -> str:
    """Return the ratio for all masks together, and the range for single masks."""
    ratios = slow / fast
    total = slow.sum() / fast.sum()
    return f"{total:.3g} (of one mask {ratios.min():.3g} to {ratios.max():.3g})"


def measure(images: int, size: int = SIZE) -> Iterator[Row]:
    """Measure encoding and decoding against loops over pixels, and decoding over runs."""
    cases = [case for case in plan_cases("train", images, seed=0) if case.lesion]
    masks = sorted((draw_mask(case, size) for case in cases), key=np.count_nonzero)
    codes = [rle.encode(mask) for mask in masks]
    frame = {"height": size, "width": size}
    encoding = best_cpu_times(rle.encode, masks, REPEATS)
    decoding = best_cpu_times(partial(rle.decode, **frame), codes, REPEATS)
    loop = best_cpu_times(reference.encode_by_pixels, masks)
    yield Row("RLE encode: loop over pixels / lib.rle", ratio_text(loop, encoding), "at least 150")
    loop = best_cpu_times(partial(reference.decode_by_pixels, **frame), codes)
    yield Row("RLE decode: loop over pixels / lib.rle", ratio_text(loop, decoding), "at least 150")
    loop = best_cpu_times(partial(reference.decode_by_runs, **frame), codes, REPEATS)
    yield Row("RLE decode: loop over runs / lib.rle", ratio_text(loop, decoding), "")
    smallest, largest = np.count_nonzero(masks[0]), np.count_nonzero(masks[-1])
    yield Row("the masks", f"{len(masks)} of {smallest:,} to {largest:,} px", "")


def main(argv: Sequence[str]) -> None:
    print_table(measure(parse_args(argv, __doc__, images=64).images))
