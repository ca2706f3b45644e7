"""What the expected Dice gains where probabilities are known, and what it costs.

    python -m tests.bench.expected [--images 2000]

Each map is a soft disc: its size, its edge and its height vary. A pixel of value v is in the truth
with probability (v / 255)^1.5, all independent, if the image has any truth; whether it has, is
drawn by a logistic law of the disc's size. So a large faint one is surely there, and nobody knows
where exactly. In the last kind each disc is the sure core of a larger doubtful one, which half of
the images have alone: the best mask is the core in these, and all that is doubtful in those. What
is fitted can be compared with what is true.
Everything is done in one thread and timed by its processor.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from lib.decision.honest import cross_fit, fit
from lib.decision.oof_sample import OofSample

from lib.bootstrap import interval
from lib.cli import run_stage
from lib.decision.expected_dice import ExpectedDiceRule
from lib.decision.histograms import Histograms
from lib.decision.threshold_search import PRESETS
from lib.leaderboard.markdown import between

IMAGES, NEW_IMAGES, SIDE, FOLDS = 2000, 10000, 128, 5
EDGE = 2.0  # of a disc, in pixels
TABLE = (np.arange(256) / 255) ** 1.5
KNOTS = tuple(enumerate(TABLE.tolist()))
HEADER = """\
| simulated | rule | cross-fitted | new images | more than the tuned triplet |
|---|---|---|---|---|"""
CENTRED = np.hypot(*np.mgrid[-SIDE // 2 : SIDE // 2, -SIDE // 2 : SIDE // 2])


class Kind(NamedTuple):
    """How images differ."""

    heights: float = 0.0  # of the discs, from 0.95 down to this less
    edges: float = 0.0  # the spread of the logarithm of their widths
    doubtful: bool = False  # a larger faint disc is around, and half of the images have it alone


KINDS = {
    "all equally high and sharp": Kind(),
    "heights vary": Kind(heights=0.7),
    "heights and edges vary": Kind(heights=0.7, edges=0.8),
    "half with a sure core": Kind(doubtful=True),
}


class Known:
    """P(empty | image) as the images were drawn by it."""

    wants_class = False

    def __init__(self, p: np.ndarray) -> None:
        self.p = p

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return self.p


def simulate(images: int, kind: Kind, seed: int) -> tuple[OofSample, np.ndarray]:
    """Draw maps, and truths by their probabilities.

    Args:
        images: how many.
        kind: how they differ.
        seed: of what is drawn.

    Returns:
        The sample, and P(empty) of each image.
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
    if not kind.doubtful:
        return disc
    around = _disc(1.7 * radius, 0.45, EDGE)
    return np.maximum(disc, around) if rng.random() < 0.5 else around


def _disc(radius: float, height: float, edge: float) -> np.ndarray:
    return height / (1 + np.exp(np.clip((CENTRED - radius) / edge, -50, 50)))


def rows(images: int = IMAGES) -> Iterator[str]:
    """The lines of the table."""
    yield HEADER
    for number, (name, kind) in enumerate(KINDS.items()):
        sample, _ = simulate(images, kind, seed=2 * number)
        new, empty = simulate(NEW_IMAGES * images // IMAGES, kind, seed=2 * number + 1)
        honest, rules = {}, {}
        for preset, choose in (("triplet", "best"), ("triplet", "plateau"), ("expected", None)):
            said = preset if choose is None else f"{preset}, {choose}"
            honest[said] = cross_fit(sample, PRESETS[preset], choose).dice.mean()
            rules[said] = fit(sample, PRESETS[preset], choose).rule
        rules["expected, all known"] = ExpectedDiceRule(KNOTS, Known(empty))
        first = new.dice(rules["triplet, best"])
        for said, rule in rules.items():
            yield _row([name, said], honest.get(said), new.dice(rule), first)


def _row(names: Sequence[str], honest: float | None, dice: np.ndarray, first: np.ndarray) -> str:
    gain = dice - first
    more = between(gain.mean(), interval(gain, np.arange(len(gain))), "+")
    stated = "–" if honest is None else f"{honest:.4f}"
    return f"| {' | '.join([*names, stated, f'{dice.mean():.4f}', more])} |"


def cost(images: int = 200) -> str:
    """How long one image takes, with as many pixels as the competition's have."""
    rng = np.random.default_rng(0)
    pixels = rng.multinomial(1024**2, np.full(256, 1 / 256), size=images)
    counts = Histograms(np.arange(images).astype(str), pixels, np.zeros_like(pixels))
    rule = ExpectedDiceRule(KNOTS, Known(np.full(images, 0.5)))
    start = time.process_time()
    rule.levels(counts)
    each = 1000 * (time.process_time() - start) / images
    return f"\nFrom a histogram to a mask: {each:.2f} ms an image of 1024 x 1024 (at most 20)."


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=IMAGES, help="to tune on")
    for line in rows(parser.parse_args(words).images):
        print(line, flush=True)
    print(cost())


if __name__ == "__main__":
    run_stage(main)
