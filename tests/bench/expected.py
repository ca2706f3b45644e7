"""Gain and cost of the expected-Dice rule on simulated images, whose probabilities are known.

    python -m tests.bench expected [--images 2000]

Each map is a soft disc of random size, edge width and height. An image is empty with a probability
that falls with the size of its disc. In an image that is not empty, a pixel of value v is in the
truth with probability (v / 255)^1.5, independently of the others. So a large faint disc certainly
has a truth, but its place is uncertain. In the last kind, half of the images have a core of high
probability inside a larger faint disc, and their best mask is the core. The other half have the
faint disc alone, and their best mask is all of it. Fitted probabilities can be compared with the
true ones. All work runs in one thread and is measured in processor time.
"""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lib import metrics
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.histograms import Histograms, OofSample
from lib.decision.threshold_search import PRESETS
from lib.decision.tuning import RuleFitter, cross_fit
from lib.leaderboard import markdown
from tests.bench.harness import format_gain, parse_args, print_lines

IMAGES, NEW_IMAGES, SIDE, FOLDS = 2000, 10000, 128, 5
EDGE = 2.0  # width of a disc's edge in px
TABLE = (np.arange(256) / 255) ** 1.5
KNOTS = tuple(enumerate(TABLE.tolist()))
COLUMNS = ("simulated", "rule", "cross-fitted", "new images", "more than the tuned triplet")
CENTRED = np.hypot(*np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2])


class Kind(NamedTuple):
    """Variation between the simulated images."""

    heights: float = 0.0  # range of the discs' heights below 0.95
    edges: float = 0.0  # standard deviation of the log edge width
    faint: bool = False  # add a larger faint disc, which half of the images have alone


KINDS = {
    "all equally high and sharp": Kind(),
    "heights vary": Kind(heights=0.7),
    "heights and edges vary": Kind(heights=0.7, edges=0.8),
    "half with a sure core": Kind(faint=True),
}


class Known:
    """True P(empty | image) of simulated images."""

    uses_p_positive = False

    def __init__(self, p: np.ndarray) -> None:
        self.p = p

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return self.p


def simulate(images: int, kind: Kind, seed: int) -> tuple[OofSample, np.ndarray]:
    """Draw maps, and truths from the probabilities of their pixels.

    Args:
        images: number of images.
        kind: variation between the images.
        seed: seed of the random draws.

    Returns:
        The sample, and the true P(empty) of each image.
    """
    rng = np.random.default_rng(seed)
    pixels = np.empty((images, 256), np.int64)
    radius = 12 * np.exp(0.7 * rng.normal(size=images))
    for number in range(images):
        values = (255 * _map(radius[number], kind, rng)).astype(np.uint8)
        pixels[number] = np.bincount(values.ravel(), minlength=256)
    empty = 1 / (1 + (radius / 15) ** 4)
    inside = rng.binomial(pixels, TABLE) * (rng.random(images) >= empty)[:, None]
    numbers = np.arange(images)
    counts = Histograms(numbers.astype(str), pixels, inside)
    return OofSample(counts, numbers % FOLDS, numbers), empty


def _map(radius: float, kind: Kind, rng: np.random.Generator) -> np.ndarray:
    edge, height = EDGE * np.exp(kind.edges * rng.normal()), 0.95 - kind.heights * rng.random()
    disc = _disc(radius, height, edge)
    if not kind.faint:
        return disc
    faint = _disc(1.7 * radius, 0.45, EDGE)
    return np.maximum(disc, faint) if rng.random() < 0.5 else faint


def _disc(radius: float, height: float, edge: float) -> np.ndarray:
    return height / (1 + np.exp(np.clip((CENTRED - radius) / edge, -50, 50)))


def measure(images: int) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table."""
    for number, (name, kind) in enumerate(KINDS.items()):
        sample, _ = simulate(images, kind, seed=2 * number)
        new, empty = simulate(NEW_IMAGES * images // IMAGES, kind, seed=2 * number + 1)
        cross_fitted, rules = {}, {}
        for preset, choose in (("triplet", "best"), ("triplet", "plateau"), ("expected", None)):
            label = preset if choose is None else f"{preset}, {choose}"
            fitter = RuleFitter(PRESETS[preset], choose)
            cross_fitted[label] = cross_fit(sample, fitter).dice.mean()
            rules[label] = fitter.fit(sample).rule
        rules["expected, all known"] = ExpectedDiceRule(KNOTS, Known(empty))
        dice = {label: metrics.dice(*rule.areas(new)) for label, rule in rules.items()}
        for label in rules:
            yield (
                name,
                label,
                markdown.number(cross_fitted.get(label)),
                markdown.number(dice[label].mean()),
                format_gain(dice[label] - dice["triplet, best"]),
            )


def measure_time(images: int = 200) -> str:
    """Return a line with the time of one image of the competition's size."""
    rng = np.random.default_rng(0)
    pixels = rng.multinomial(1024**2, np.full(256, 1 / 256), size=images)
    counts = Histograms(np.arange(images).astype(str), pixels, np.zeros_like(pixels))
    rule = ExpectedDiceRule(KNOTS, Known(np.full(images, 0.5)))
    start = time.process_time()
    rule.levels(counts)
    each = 1000 * (time.process_time() - start) / images
    return f"\nFrom a histogram to a mask: {each:.2f} ms an image of 1024 x 1024 (at most 20)."


def main(argv: Sequence[str]) -> None:
    args = parse_args(argv, __doc__, images=IMAGES)
    print_lines(markdown.table(COLUMNS, measure(args.images)))
    print(measure_time())
