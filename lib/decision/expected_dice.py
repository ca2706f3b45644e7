"""The mask of the highest expected Dice, image by image: no threshold is searched.

Given a pneumothorax, pixels are taken as independent, each in the truth T with its calibrated
probability. The best mask of k pixels is then that of the k most probable ones (RankDice), and
calibrated probabilities rise with the map's value: so the best mask is all above one of 255 levels,
another in every image. With c pixels above the level, P(x in T) = p(x), and one in place of x,

    E[Dice] = 2 sum_x p(x) E[1 / (c + 1 + |T without x|)]

over the mask's pixels x. RankDice approximates the last factor (by a normal law of |T|, or blindly,
by leaving x in T). It need not be: E[1 / (a + S)] is the integral of t^(a - 1) E[t^S] over 0..1,
and E[t^S] is a product over pixels, of which 256 differ. One integral over a hundred points is
exact to 1e-8, for ten pixels as for a million, and takes under a millisecond. That, and the empty
mask's share, is why the authors' package `rankseg` is not used.

Among pixels of equal probability a mask takes all or none. By the blind approximation that is best:
over how many it takes, the expectation falls first and rises then, or does one of the two.

The empty mask scores P(empty | image), any other (1 - P(empty)) E[Dice].

Reference:
    Dai and Li, RankSEG: a consistent ranking-based framework for segmentation, JMLR 24(224), 2023,
    theorem 3 and section 4; Chao and Strawderman, Negative moments of positive random variables,
    JASA 67, 1972, for the integral.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lib.decision import calibration
from lib.decision import histograms as counting
from lib.decision.calibration import EmptyClassifier, Knots
from lib.decision.histograms import Histograms
from lib.decision.rules import LEVELS
from lib.decision.threshold_search import TIE
from lib.errors import InputError

STEP, LOWEST, HIGHEST = 0.4, -37.0, 3.4  # of log u, t = exp(-u): from 2^20 pixels down to one
NOTHING = LEVELS  # the level that no pixel passes


class Expectation:
    """E[Dice] of the masks above all levels, for a table of pixel probabilities."""

    def __init__(self, table: np.ndarray) -> None:
        """Prepare the points of the integral.

        Args:
            table: (256,) P(in the truth) of a pixel of each value.
        """
        self.u = np.exp(np.arange(LOWEST, HIGHEST, STEP))
        p = table[:, None]
        factor = (1 - p) + p * np.exp(-self.u)  # of E[t^S], a pixel
        self.log_factor, self.rest = np.log(factor), p / factor
        self.log_weight = np.log(2 * STEP * self.u)  # dt = -t du = -t u d(log u)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """The expectation for every level; 0 where no pixel passes.

        Args:
            pixels: (256,) how many pixels of an image have each value.

        Returns:
            (255,) float.
        """
        backwards = pixels[:0:-1].astype(float)
        above = np.cumsum(backwards)[:, None]
        overlap = np.cumsum(backwards[:, None] * self.rest[:0:-1], axis=0)
        exponent = pixels @ self.log_factor + self.log_weight - (above + 1) * self.u
        return np.sum(np.exp(exponent) * overlap, axis=1)[::-1]


@dataclass(frozen=True)
class ExpectedDiceRule:
    """The rule, with all that was fitted for it.

    Attributes:
        knots: P(in the truth) of a pixel, given a pneumothorax.
        empty: P(empty | image), of its features.
    """

    knots: Knots
    empty: EmptyClassifier

    @cached_property
    def table(self) -> np.ndarray:
        """(256,) P(in the truth) of a pixel of each value, given a pneumothorax."""
        return calibration.table_of(self.knots)

    @cached_property
    def expectation(self) -> Expectation:
        return Expectation(self.table)

    def p_empty(self, histograms: Histograms, classes: np.ndarray | None = None) -> np.ndarray:
        """(N,) P(empty) of every image; arguments as `levels`.

        Raises:
            InputError: if p(positive) is needed and missing.
        """
        wanted = classes if self.empty.wants_class else None
        if self.empty.wants_class and classes is None:
            raise InputError(
                "this decision needs image probabilities, and an image has none; remake the "
                "decision with 04_ensemble.py --replace"
            )
        return self.empty(calibration.image_features(histograms, self.table, wanted))

    def levels(self, histograms: Histograms, classes: np.ndarray | None = None) -> np.ndarray:
        """The level that each image's mask is above; NOTHING where it is empty.

        Args:
            histograms: of N images; the truth is not looked at.
            classes: (N,) p(positive), if they are known.
        """
        levels, dice = np.empty(len(histograms), int), np.empty(len(histograms))
        for number, pixels in enumerate(histograms.pixels):
            expected = self.expectation(pixels)
            dice[number] = expected.max()
            levels[number] = np.flatnonzero(expected >= dice[number] - TIE)[-1]
        empty = self.p_empty(histograms, classes)
        return np.where((1 - empty) * dice > empty, levels, NOTHING)

    def areas(self, histograms: Histograms, classes: np.ndarray | None) -> tuple[np.ndarray, ...]:
        """|P|, |T| and |P and T| of every image, each (N,) in pixels; arguments as `levels`."""
        levels = self.levels(histograms, classes)
        kept, inner = levels < NOTHING, np.minimum(levels, NOTHING - 1)[:, None]
        predicted, overlap = (
            kept * np.take_along_axis(counts, inner, axis=1)[:, 0]
            for counts in (histograms.above, histograms.overlap)
        )
        return predicted, histograms.truth, overlap

    def mask(self, map_8bit: np.ndarray, class_probability: float | None = None) -> np.ndarray:
        """Turn a map into a mask.

        Args:
            map_8bit: (height, width) uint8, of the frame that the rule was fitted in.
            class_probability: p(positive) of the image, if the rule was fitted with them.

        Returns:
            (height, width) bool.
        """
        pixels, inside = counting.count(map_8bit, None)
        image = Histograms(np.array([""]), pixels[None], inside[None])
        classes = None if class_probability is None else np.array([class_probability])
        return map_8bit > self.levels(image, classes)[0]

    def to_json(self) -> dict[str, Any]:
        """One line a number; values have three digits, so that they are sorted."""
        knots = {f"{value:03}": p for value, p in self.knots}
        return {"pixels": knots, "empty": vars(self.empty)}


def from_json(content: dict[str, Any]) -> ExpectedDiceRule:
    """Read what `Expected.to_json` wrote: the same to the last bit."""
    knots = sorted((int(value), p) for value, p in content["pixels"].items())
    empty = content["empty"]
    return ExpectedDiceRule(
        tuple(knots), EmptyClassifier(empty["intercept"], tuple(empty["weights"]))
    )


def fit(histograms: Histograms, classes: np.ndarray | None = None) -> ExpectedDiceRule:
    """Calibrate.

    Args:
        histograms: of N images whose truth is known.
        classes: (N,) p(positive), where there is an image head.

    Raises:
        InputError: if all images are empty, or none is.
    """
    knots = calibration.pixel_knots(histograms)
    features = calibration.image_features(histograms, calibration.table_of(knots), classes)
    return ExpectedDiceRule(knots, calibration.fit_empty_classifier(features, histograms.positive))
