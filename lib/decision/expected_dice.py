"""The expected-Dice rule: each image gets its mask of the highest expected Dice.

No threshold is searched. Given a pneumothorax, pixels are taken as independent; each is in the
truth T with its calibrated probability. The best mask of k pixels holds the k most probable ones
(RankDice), and calibrated probabilities rise with the map's value. So the best mask is all pixels
above one of 255 levels, a different level in each image. With c pixels above the level, P(x in T) =
p(x), and one in place of x,

    E[Dice] = 2 sum_x p(x) E[1 / (c + 1 + |T without x|)]

over the mask's pixels x. RankDice approximates the last factor: by a normal law of |T|, or by
leaving x in T (its "blind approximation"). Here it is exact: E[1 / (a + S)] is the integral of t^(a
- 1) E[t^S] over 0..1, and E[t^S] is a product over pixels, with at most 256 different factors. One
integral over a hundred points is exact to 1e-8 for ten pixels and for a million, and takes under a
millisecond. For this, and for the empty mask, the authors' package `rankseg` is not used.

A mask has all pixels of a value or none. By the "blind approximation" one of these two is best:
with the number of such pixels in the mask, the expectation falls, rises, or falls and then rises.

The empty mask scores P(empty | image), any other mask (1 - P(empty)) E[Dice].

Reference:
    Dai and Li, RankSEG: a consistent ranking-based framework for segmentation, JMLR 24(224), 2023,
    theorem 3 and section 4; Chao and Strawderman, Negative moments of positive random variables,
    JASA 67, 1972, for the integral.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lib.decision import calibration, histograms
from lib.decision.calibration import EmptyClassifier, Knots
from lib.decision.histograms import Histograms, OofSample
from lib.decision.rules import LEVELS, Areas, Predictions, ThresholdRule
from lib.decision.threshold_search import TIE
from lib.errors import InputError

STEP, LOWEST, HIGHEST = 0.4, -37.0, 3.4  # of log u, t = exp(-u): from 2^20 pixels down to one
EMPTY_MASK = LEVELS  # the level that no pixel passes


class ExpectedDice:
    """E[Dice] of the masks above all levels, for a table of pixel probabilities."""

    def __init__(self, table: np.ndarray) -> None:
        """Prepare the points of the integral.

        Args:
            table: (256,) P(in the truth) of a pixel of each value.
        """
        self.u = np.exp(np.arange(LOWEST, HIGHEST, STEP))
        p = table[:, None]
        factor = (1 - p) + p * np.exp(-self.u)  # of E[t^S], for one pixel
        self.log_factor, self.rest = np.log(factor), p / factor
        self.log_weight = np.log(2 * STEP * self.u)  # dt = -t du = -t u d(log u)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return the expectation for every level; 0 where no pixel passes.

        Args:
            pixels: (256,) number of pixels of each value in an image.

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
    """The rule with its fitted calibrations.

    Attributes:
        knots: P(in the truth) of a pixel by its value, given a pneumothorax.
        empty: P(empty | image).
    """

    knots: Knots
    empty: EmptyClassifier

    @staticmethod
    def fit(images: Histograms, p_positive: np.ndarray | None = None) -> "ExpectedDiceRule":
        """Calibrate on labelled images.

        Args:
            images: histograms of N images with known truth.
            p_positive: (N,) p(positive) of each image, where there is an image head.

        Raises:
            InputError: if all images are empty, or none is.
        """
        knots = calibration.pixel_knots(images)
        table = calibration.interpolate(knots)
        features = calibration.image_features(images, table, p_positive)
        return ExpectedDiceRule(knots, calibration.fit_empty_classifier(features, images.positive))

    @staticmethod
    def from_json(content: dict[str, Any]) -> "ExpectedDiceRule":
        """Read the value of "expected" that `to_json` wrote: the same to the last bit."""
        knots = sorted((int(value), p) for value, p in content["pixels"].items())
        empty = content["empty"]
        classifier = EmptyClassifier(empty["intercept"], tuple(empty["weights"]))
        return ExpectedDiceRule(tuple(knots), classifier)

    @property
    def uses_p_positive(self) -> bool:
        return self.empty.uses_p_positive

    @property
    def counts_pixels(self) -> bool:
        return True  # P(empty) depends on the expected area

    @property
    def looks_at_components(self) -> bool:
        return False

    @property
    def is_calibrated(self) -> bool:
        return True

    @property
    def thresholds(self) -> None:
        return None

    @cached_property
    def table(self) -> np.ndarray:
        """(256,) P(in the truth) of a pixel of each value, given a pneumothorax."""
        return calibration.interpolate(self.knots)

    @cached_property
    def expected_dice(self) -> ExpectedDice:
        return ExpectedDice(self.table)

    def p_empty(self, images: Histograms, p_positive: np.ndarray | None = None) -> np.ndarray:
        if self.uses_p_positive and p_positive is None:
            raise InputError(
                "this decision needs image probabilities, and an image has none; remake the "
                "decision with 04_ensemble.py --replace"
            )
        used = p_positive if self.uses_p_positive else None
        return self.empty(calibration.image_features(images, self.table, used))

    def levels(self, images: Histograms, p_positive: np.ndarray | None = None) -> np.ndarray:
        """Return the level of each image's mask, (N,); EMPTY_MASK where the mask is empty.

        Args:
            images: histograms of N images; the truth is not used.
            p_positive: (N,) p(positive) of each image, if known.
        """
        levels, margins = self._best_masks(images, p_positive)
        return np.where(margins > 0, levels, EMPTY_MASK)

    def _best_masks(
        self, images: Histograms, p_positive: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the level of each image's best mask, and how much more it scores than none."""
        levels, dice = np.empty(len(images), int), np.empty(len(images))
        for number, pixels in enumerate(images.pixels):
            expected = self.expected_dice(pixels)
            dice[number] = expected.max()
            levels[number] = np.flatnonzero(expected >= dice[number] - TIE)[-1]
        empty = self.p_empty(images, p_positive)
        return levels, (1 - empty) * dice - empty

    def apply(self, map_8bit: np.ndarray, p_positive: float | None = None) -> np.ndarray:
        return map_8bit > self.levels(*_as_sample(map_8bit, p_positive))[0]

    def margin(self, map_8bit: np.ndarray, p_positive: float | None = None) -> float:
        _, margins = self._best_masks(*_as_sample(map_8bit, p_positive))
        return float(margins[0])

    def areas(self, sample: OofSample, p_positive: np.ndarray | None = None) -> Areas:
        images = sample.histograms
        levels = self.levels(images, p_positive)
        has_mask, column = levels < EMPTY_MASK, np.minimum(levels, EMPTY_MASK - 1)[:, None]
        predicted, overlap = (
            has_mask * np.take_along_axis(counts, column, axis=1)[:, 0]
            for counts in (images.above, images.overlap)
        )
        return predicted, images.truth, overlap

    def predictions(
        self, sample: OofSample, p_positive: np.ndarray | None = None
    ) -> dict[str, Predictions]:
        images = sample.histograms
        positives = images[images.positive]  # pixels are calibrated given a pneumothorax
        pixels = self.table, positives.inside.sum(axis=0), positives.pixels.sum(axis=0)
        empty = self.p_empty(images, p_positive), ~images.positive, np.ones(len(images))
        return {"pixels": pixels, "empty": empty}

    def parameters(self) -> dict[str, Any]:
        return self.to_json()

    def to_json(self) -> dict[str, Any]:
        # Values have three digits, so that sorted keys are sorted values.
        knots = {f"{value:03}": p for value, p in self.knots}
        thresholds = dict.fromkeys(asdict(ThresholdRule()))
        return thresholds | {"expected": {"pixels": knots, "empty": asdict(self.empty)}}

    def explain(self, frame_px: int) -> list[str]:
        return [
            "The value of a pixel is calibrated to the fraction of such pixels that are in a "
            "pneumothorax, in images that have one.",
            "Each image gets the mask of the highest expected Dice, among the masks of all pixels "
            "above one of 255 levels.",
            "An image is empty if P(empty) is above the expected score of that mask: "
            "P(pneumothorax) times its expected Dice.",
        ]

    def __str__(self) -> str:
        return "a level per image"


def _as_sample(
    map_8bit: np.ndarray, p_positive: float | None
) -> tuple[Histograms, np.ndarray | None]:
    """Return an image and its p(positive) as a sample of one."""
    p = None if p_positive is None else np.array([p_positive])
    return histograms.of_map(map_8bit), p
