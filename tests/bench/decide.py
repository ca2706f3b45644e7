"""Cost of a decision at the full size: histograms, exact search and cross-fitting.

    python -m tests.bench decide [--images 12047]

The maps are synthetic, 1024 x 1024 px, and drawn one at a time; 22 % have a non-empty truth. All
work runs in one thread and is measured in processor time, so that other programs count for little.
The time of averaging is estimated from a few maps of 512 x 512 px. The time of a second decision is
measured on all maps.
"""

import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from lib import artifacts, dataset, images, metrics, rle
from lib.bootstrap import interval
from lib.decision import histograms, rules
from lib.decision.histograms import Histograms, OofSample
from lib.decision.rules import ThresholdRule
from lib.decision.threshold_search import PRESETS, search
from lib.decision.tuning import RuleFitter, cross_fit
from lib.ensemble.average import HISTOGRAMS_FILE, LabelledImage, MapAverager
from lib.ensemble.decide import decide
from lib.ensemble.options import DecisionOptions
from lib.files import write_bytes
from lib.layout import Work, map_file
from tests import fakes
from tests.bench.harness import Row, parse_args, print_table, time_cpu

IMAGES, SIZE, COARSE = 12047, 1024, 128
POSITIVES, FOLDS, PATIENTS = 0.2215, 5, 6171
NAIVE_IMAGES, NAIVE_RULES = 8, 40
AVERAGED, MAP_SIZE = 24, 512  # number of maps, and side of the member's maps in px


def draw_map(number: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw the map of a network with misses and false alarms, and its truth (None if empty)."""
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
    """Return (size, size) uint8, 1 inside an ellipse that is given in pixels of the full frame."""
    scale = size / SIZE
    canvas = np.zeros((size, size), np.uint8)
    box = tuple(centre * scale), tuple(2 * np.abs(axes) * scale), 30.0
    return cv2.ellipse(canvas, box, 1, -1)


def measure_histograms(count: int) -> tuple[OofSample, float, Row]:
    """Count the histograms of `count` maps.

    Returns:
        The histograms, their processor time in seconds, and its ratio to cv2.calcHist.
    """
    counting = opencv = 0.0
    rows = []
    for number in range(count):
        values, truth = draw_map(number)
        opencv += time_cpu(cv2.calcHist, [values], [0], None, [256], [0, 256])[0]
        seconds, row = time_cpu(histograms.count, values, truth)
        counting += seconds
        rows.append(row)
    pixels, inside = (np.stack(column) for column in zip(*rows, strict=True))
    numbers = np.arange(count)
    patients = np.random.default_rng(0).integers(PATIENTS * count // IMAGES + 1, size=count)
    sample = OofSample(Histograms(numbers.astype(str), pixels, inside), numbers % FOLDS, patients)
    value = f"{counting / opencv:.2f} ({1000 * counting / count:.2f} ms an image)"
    return sample, counting, Row("histograms / cv2.calcHist", value, "at most 1.2")


def measure_search(sample: OofSample) -> tuple[float, Row]:
    """Time one search of every triplet."""
    seconds, _ = time_cpu(search, _fresh(sample).histograms, PRESETS["triplet"])
    return seconds, Row("exact search", f"{seconds:.1f} s", "at most 10 s")


def measure_search_memory(sample: OofSample) -> Row:
    """Return the peak memory of one search, its histograms included."""
    tracemalloc.start()
    search(_fresh(sample).histograms, PRESETS["triplet"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Row("memory of the search", f"{peak / 2**20:.0f} MiB", "under 300 MiB")


def measure_cross_fit(sample: OofSample) -> Row:
    """Time the refits without each fold, and the bootstrap interval over patients."""
    seconds, cross_fitted = time_cpu(cross_fit, _fresh(sample), RuleFitter())
    bootstrap, _ = time_cpu(interval, cross_fitted.dice, sample.patients)
    return Row("cross-fitted repetition", f"{seconds + bootstrap:.1f} s", "at most 30 s")


def measure_naive_ratio(sample: OofSample, exact_seconds: float) -> Row:
    """Extrapolate the time of all triplets, one image at a time, from a few triplets."""
    rng = np.random.default_rng(0)
    seconds = 0.0
    for number in range(NAIVE_IMAGES):
        values, truth = draw_map(number)
        truth = np.zeros((SIZE, SIZE), bool) if truth is None else truth
        for bottom, top in np.sort(rng.integers(rules.LEVELS, size=(NAIVE_RULES, 2))):
            rule = ThresholdRule.from_levels(top, bottom, rng.integers(4000))
            seconds += time_cpu(_naive_dice, rule, values, truth)[0]
    each = seconds / (NAIVE_IMAGES * NAIVE_RULES)
    triplets = sum(
        (top + 1) * (2 + np.count_nonzero(np.unique(sample.histograms.above[:, top])))
        for top in range(rules.LEVELS)
    )
    ratio = each * triplets * len(sample.folds) / exact_seconds
    value = f"{ratio:.1e} ({triplets:.1e} triplets, {1000 * each:.1f} ms an image each)"
    return Row("naive / exact, histograms included", value, "")


def measure_averaging(folder: Path) -> float:
    """Return the seconds in which stage 04 resizes one member's map to the frame and counts it."""
    averager = MapAverager(SIZE, folder / "mean", [(0, folder, 1.0)])
    seconds = 0.0
    for number in range(AVERAGED):
        values, truth = draw_map(number)
        code = rle.EMPTY if truth is None else rle.encode(truth)
        name = str(number)
        images.write_png(folder / map_file("oof", name), images.shrink(values, MAP_SIZE))
        seconds += time_cpu(averager.write_oof, LabelledImage(name, 0, code))[0]
    return seconds / AVERAGED


def measure_decision(work: Work, sample: OofSample) -> float:
    """Return the seconds of stage 04 on a complete ensemble: check, search, cross-fit and plot."""
    names = [str(name) for name in sample.histograms.ids]
    truth = dict.fromkeys(names, np.zeros((1, 1), bool))  # triplets need the histograms alone
    owners = dict(zip(names, map(str, sample.patients.tolist()), strict=True))
    fakes.make_dataset(work, truth, (), FOLDS, SIZE, owners)
    data = dataset.read(work)
    config = {"members": ["all"], "folds": [0, 1, 2, 3, 4], "weights": [1.0]}
    draft = artifacts.begin(work.ensemble("all"), config, [data.artifact])
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

    return time_cpu(decide_again)[0]


def measure_second_decision(sample: OofSample) -> Row:
    """Compare the first decision on an ensemble with a second one, which averages nothing."""
    with TemporaryDirectory() as scratch:
        averaging = measure_averaging(Path(scratch) / "maps") * len(sample)
        deciding = measure_decision(Work(Path(scratch) / "work"), sample)
    value = f"{(averaging + deciding) / deciding:.1f} ({averaging:.0f} s to average, "
    return Row("first decision / second", f"{value}{deciding:.1f} s to decide)", "at least 20")


def measure(count: int = IMAGES) -> Iterator[Row]:
    """Measure every figure; the targets hold for all 12,047 images."""
    cv2.setNumThreads(1)
    sample, counting, first = measure_histograms(count)
    searching, second = measure_search(sample)
    yield from (first, second, measure_cross_fit(sample), measure_search_memory(sample))
    yield measure_second_decision(sample)
    yield measure_naive_ratio(sample, counting + searching)


def _naive_dice(rule: ThresholdRule, values: np.ndarray, truth: np.ndarray) -> float:
    return float(metrics.dice(*metrics.areas(rule.apply(values), truth)))


def _fresh(sample: OofSample) -> OofSample:
    """Return a copy without the cached results of an earlier search."""
    return sample[np.arange(len(sample.folds))]


def main(argv: Sequence[str]) -> None:
    print_table(measure(parse_args(argv, __doc__, images=IMAGES).images))
