"""What run-length codes cost, beside loops in Python.

    python -m tests.bench rle [--images 64]

The masks are those of phantoms at 1024 x 1024, whose areas go through the competition's.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from lib import rle
from lib.prepare.phantom.anatomy import draw_build
from lib.prepare.phantom.cases import Case, plan_cases
from lib.prepare.phantom.radiograph import take_radiograph
from tests.bench import reference
from tests.bench.clock import processor_seconds
from tests.bench.table import Row, show

SIZE = 1024
TIMES = 20  # what takes milliseconds is timed so often


def drawn(case: Case, size: int) -> np.ndarray:
    """The mask of a phantom."""
    build = draw_build(case.sex, case.age, case.patient_rng())
    _, annotations = take_radiograph(build, case.ap, case.lesion, size, case.rng())
    return np.any(annotations, axis=0)


def seconds(task: Callable[..., object], inputs: Sequence[object], times: int = 1) -> np.ndarray:
    """How long a task takes with each input, at best."""
    best = [min(processor_seconds(task, one)[0] for _ in range(times)) for one in inputs]
    return np.array(best)


def ratios(slow: np.ndarray, quick: np.ndarray) -> str:
    """Of all masks together, and the least and most of one."""
    each = slow / quick
    return f"{slow.sum() / quick.sum():.3g} (of one mask {each.min():.3g} to {each.max():.3g})"


def rows(images: int, size: int = SIZE) -> Iterator[Row]:
    """Encoding, decoding, and decoding against the quicker loop of the two."""
    cases = [case for case in plan_cases("train", images, seed=0) if case.lesion]
    masks = sorted((drawn(case, size) for case in cases), key=np.count_nonzero)
    codes = [rle.encode(mask) for mask in masks]
    frame = {"height": size, "width": size}
    encoding = seconds(rle.encode, masks, TIMES)
    decoding = seconds(partial(rle.decode, **frame), codes, TIMES)
    loop = seconds(reference.encode_by_pixels, masks)
    yield Row("RLE encode: loop over pixels / ours", ratios(loop, encoding), "at least 150")
    loop = seconds(partial(reference.decode_by_pixels, **frame), codes)
    yield Row("RLE decode: loop over pixels / ours", ratios(loop, decoding), "at least 150")
    loop = seconds(partial(reference.decode_by_runs, **frame), codes, TIMES)
    yield Row("RLE decode: loop over runs / ours", ratios(loop, decoding), "")
    few, most = np.count_nonzero(masks[0]), np.count_nonzero(masks[-1])
    yield Row("the masks", f"{len(masks)} of {few:,} to {most:,} px", "")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure run-length codes against loops.")
    parser.add_argument("--images", type=int, default=64, help="a fourth of them have a mask")
    parser.add_argument("--size", type=int, default=SIZE)
    show(rows(**vars(parser.parse_args(words))))


if __name__ == "__main__":
    main()
