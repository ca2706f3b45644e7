"""What deciding costs: histograms, exact search and cross-fitted repetition at the full size.

    python -m tests.bench.decide [--images 12047]

The maps are synthetic, 1024 x 1024 and made one at a time; 22 % have a truth. Everything
is done in one thread and timed by its processor, so that what else runs counts for little. What
stage 04 takes to average them is estimated from a few, each the mean of maps of 512 x 512; what it
takes to decide again on them all is measured.
"""

import argparse
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from lib.decision.honest import OofSample, cross_fit
from lib.ensemble.blend import Labelled

from lib import artifacts, dataset, images, metrics, rle
from lib.bootstrap import interval
from lib.decision import histograms, rules
from lib.decision.histograms import Histograms
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS, search
from lib.ensemble.average import HISTOGRAMS_FILE, Mean
from lib.ensemble.decide import decide
from lib.ensemble.options import DecisionOptions
from lib.files import write_bytes
from lib.layout import Work, map_file
from tests import fakes
from tests.bench.clock import processor_seconds
from tests.bench.table import Row, show

IMAGES, SIZE, COARSE = 12047, 1024, 128
POSITIVES, FOLDS, PATIENTS = 0.2215, 5, 6171
NAIVE_IMAGES, NAIVE_RULES = 8, 40
AVERAGED, MAP_SIZE = 24, 512  # maps, and the side that the member has them in


def synthetic(number: int) -> tuple[np.ndarray, np.ndarray | None]:
    """A map and its truth, None if empty: a network that misses some and sees some in vain."""
    rng = np.random.default_rng(number)
    centre, axes = rng.integers(200, SIZE - 200, 2), rng.lognormal([4.2, 3.5], 0.5)
    positive = rng.random() < POSITIVES
    strength = rng.normal(7 if positive else 1, 2.5)
    blob = _ellipse(centre + rng.normal(0, 10, 2), axes * rng.normal(1, 0.1, 2), COARSE)
    logit = 24 * cv2.GaussianBlur(rng.normal(size=(COARSE, COARSE)), (0, 0), 4) - 6
    logit += strength * cv2.GaussianBlur(blob.astype(float), (0, 0), 2)
    values = (255 / (1 + np.exp(-logit))).astype(np.uint8)
    truth = _ellipse(centre, axes, SIZE).astype(bool) if positive else None
    return cv2.resize(values, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), truth


def _ellipse(centre: np.ndarray, axes: np.ndarray, size: int) -> np.ndarray:
    """(size, size) uint8, 1 inside an ellipse given in pixels of the full frame."""
    scale = size / SIZE
    canvas = np.zeros((size, size), np.uint8)
    box = tuple(centre * scale), tuple(2 * np.abs(axes) * scale), 30.0
    return cv2.ellipse(canvas, box, 1, -1)


def histogram_cost(count: int) -> tuple[OofSample, float, Row]:
    """Count every map.

    Returns:
        The counts, the seconds they took, and how these compare with cv2.calcHist.
    """
    ours = theirs = 0.0
    rows = []
    for number in range(count):
        values, truth = synthetic(number)
        theirs += processor_seconds(cv2.calcHist, [values], [0], None, [256], [0, 256])[0]
        seconds, row = processor_seconds(histograms.count, values, truth)
        ours += seconds
        rows.append(row)
    pixels, inside = (np.stack(column) for column in zip(*rows, strict=True))
    numbers = np.arange(count)
    patients = np.random.default_rng(0).integers(PATIENTS * count // IMAGES + 1, size=count)
    sample = OofSample(Histograms(numbers.astype(str), pixels, inside), numbers % FOLDS, patients)
    value = f"{ours / theirs:.2f} ({1000 * ours / count:.2f} ms an image)"
    return sample, ours, Row("histograms / cv2.calcHist", value, "at most 1.2")


def search_cost(sample: OofSample) -> tuple[float, Row]:
    """Search every triplet once."""
    seconds, _ = processor_seconds(search, _fresh(sample).histograms, PRESETS["triplet"])
    return seconds, Row("exact search", f"{seconds:.1f} s", "at most 10 s")


def search_memory(sample: OofSample) -> Row:
    """The most that one search holds, its histograms included."""
    tracemalloc.start()
    search(_fresh(sample).histograms, PRESETS["triplet"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Row("memory of the search", f"{peak / 2**20:.0f} MiB", "under 300 MiB")


def honest_cost(sample: OofSample) -> Row:
    """Refit without each fold, with the interval over patients."""
    seconds, honest = processor_seconds(cross_fit, _fresh(sample), PRESETS["triplet"], "plateau")
    more, _ = processor_seconds(interval, honest.dice, sample.patients)
    return Row("cross-fitted repetition", f"{seconds + more:.1f} s", "at most 30 s")


def naive_ratio(sample: OofSample, exact_seconds: float) -> Row:
    """What as many triplets would cost image by image, from a few of them."""
    rng = np.random.default_rng(0)
    seconds = 0.0
    for number in range(NAIVE_IMAGES):
        values, truth = synthetic(number)
        truth = np.zeros((SIZE, SIZE), bool) if truth is None else truth
        for bottom, top in np.sort(rng.integers(rules.LEVELS, size=(NAIVE_RULES, 2))):
            rule = rules.from_levels(top, bottom, rng.integers(4000))
            seconds += processor_seconds(_naive_dice, rule, values, truth)[0]
    each = seconds / (NAIVE_IMAGES * NAIVE_RULES)
    triplets = sum(
        (top + 1) * (2 + np.count_nonzero(np.unique(sample.histograms.above[:, top])))
        for top in range(rules.LEVELS)
    )
    ratio = each * triplets * len(sample.folds) / exact_seconds
    value = f"{ratio:.1e} ({triplets:.1e} triplets, {1000 * each:.1f} ms an image each)"
    return Row("naive / exact, histograms included", value, "")


def averaging_seconds(folder: Path) -> float:
    """What stage 04 takes to make and count one map in the frame, from a member's."""
    mean = Mean(SIZE, folder / "mean", [(0, folder, 1.0)])
    seconds = 0.0
    for number in range(AVERAGED):
        values, truth = synthetic(number)
        code = rle.EMPTY if truth is None else rle.encode(truth)
        name = str(number)
        images.write_png(folder / map_file("oof", name), images.shrink(values, MAP_SIZE))
        seconds += processor_seconds(mean.out_of_fold, Labelled(name, 0, code))[0]
    return seconds / AVERAGED


def deciding_seconds(work: Work, sample: OofSample) -> float:
    """What stage 04 takes with an ensemble that is there: to check it, search, refit and draw."""
    names = [str(name) for name in sample.histograms.ids]
    truth = dict.fromkeys(names, np.zeros((1, 1), bool))  # histograms have all that a triplet needs
    owners = dict(zip(names, map(str, sample.patients.tolist()), strict=True))
    fakes.make_dataset(work, truth, (), FOLDS, SIZE, owners)
    data = dataset.read(work)
    draft = artifacts.begin(work.ensemble("all"), {}, [data.artifact])
    assert draft
    sample.histograms.save(draft.path(HISTOGRAMS_FILE))
    for name in names:
        write_bytes(draft.path(map_file("oof", name)), b"map")
    draft.finish()

    def decide_again() -> None:
        ensemble = artifacts.read(work.ensemble("all"))
        draft = artifacts.begin(work.decision("all-again"), {}, [ensemble])
        assert draft
        decide(draft, ensemble, data, DecisionOptions("triplet", "plateau"))

    return processor_seconds(decide_again)[0]


def second_decision(sample: OofSample) -> Row:
    """What the first decision on an ensemble costs, and how much less the next one."""
    with TemporaryDirectory() as scratch:
        averaging = averaging_seconds(Path(scratch) / "maps") * len(sample)
        deciding = deciding_seconds(Work(Path(scratch) / "work"), sample)
    value = f"{(averaging + deciding) / deciding:.1f} ({averaging:.0f} s to average, "
    return Row("first decision / second", f"{value}{deciding:.1f} s to decide)", "at least 20")


def rows(count: int = IMAGES) -> Iterator[Row]:
    """Every figure; the targets are for all images."""
    cv2.setNumThreads(1)
    sample, counting, first = histogram_cost(count)
    searching, second = search_cost(sample)
    yield from (first, second, honest_cost(sample), search_memory(sample))
    yield second_decision(sample)
    yield naive_ratio(sample, counting + searching)


def _naive_dice(rule: ThresholdRule, values: np.ndarray, truth: np.ndarray) -> float:
    return float(metrics.dice(*metrics.areas(rules.apply(rule, values), truth)))


def _fresh(sample: OofSample) -> OofSample:
    """A copy without what an earlier search has worked out."""
    return sample[np.arange(len(sample.folds))]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure what deciding costs.")
    parser.add_argument("--images", type=int, default=IMAGES)
    show(rows(parser.parse_args(words).images))


if __name__ == "__main__":
    main()
