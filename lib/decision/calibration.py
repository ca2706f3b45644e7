"""From what maps say to how often it is true: of pixels, and of whole images.

Both are fitted on histograms alone, 256 numbers an image, so that refitting costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.decision.histograms import VALUES, Histograms
from lib.errors import InputError

AREA_LEVELS = (25, 76, 127, 178, 229)  # p = .1, .3, .5, .7, .9
NEAREST = 1e-6  # to 0 and 1, where logits have no end
BINS = 10


def pixel_table(histograms: Histograms) -> np.ndarray:
    """How often a pixel of each value is in the truth, in images that have one.

    Isotonic, as a higher value must not mean less. Values that no pixel has lie between their
    neighbours. Pixels of all images count alike, so the table is that of the average image.

    Returns:
        (256,) float in [0, 1], not falling.

    Raises:
        InputError: if all images are empty, or none is.
    """
    from sklearn.isotonic import IsotonicRegression  # late: it takes a second to load

    check_both_kinds(histograms.positive)
    positives = histograms[histograms.positive]
    pixels, inside = (
        counts.sum(axis=0, dtype=np.int64) for counts in (positives.pixels, positives.inside)
    )
    seen = np.flatnonzero(pixels)
    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    model.fit(seen, inside[seen] / pixels[seen], sample_weight=pixels[seen])
    return model.predict(np.arange(VALUES))


@dataclass(frozen=True)
class Emptiness:
    """P(empty | image), a logistic regression on what its histogram says.

    Attributes:
        intercept: of the logit.
        weights: one a feature; the class probability's is the last, if it was known.
    """

    intercept: float
    weights: tuple[float, ...]

    @property
    def wants_class(self) -> bool:
        """Whether it needs the image's p(positive)."""
        return len(self.weights) > 1 + len(AREA_LEVELS)

    def __call__(self, histograms: Histograms, classes: np.ndarray | None = None) -> np.ndarray:
        """P(empty) of every image.

        Args:
            histograms: of N images; the truth is not looked at.
            classes: (N,) p(positive), if it was fitted with them.

        Raises:
            InputError: if these are wanted and missing.
        """
        if self.wants_class and classes is None:
            raise InputError(
                "this decision needs image probabilities, and an image has none; remake the "
                "decision with 04_ensemble.py --replace"
            )
        features = image_features(histograms, classes if self.wants_class else None)
        logit = self.intercept + features @ np.array(self.weights)
        return 1 / (1 + np.exp(-np.clip(logit, -700, 700)))


def fit_emptiness(histograms: Histograms, classes: np.ndarray | None = None) -> Emptiness:
    """Fit P(empty | image) to images whose truth is known.

    Args:
        histograms: of N images.
        classes: (N,) p(positive), where there is an image head.

    Raises:
        InputError: if all images are empty, or none is.
    """
    from sklearn.linear_model import LogisticRegression

    check_both_kinds(histograms.positive)
    features = image_features(histograms, classes)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1  # one penalty for all, whatever the unit
    model = LogisticRegression().fit((features - mean) / spread, ~histograms.positive)
    weights = model.coef_[0] / spread
    return Emptiness(float(model.intercept_[0] - mean @ weights), tuple(weights.tolist()))


def image_features(histograms: Histograms, classes: np.ndarray | None) -> np.ndarray:
    """What tells whether there is anything to see.

    Returns:
        (N, 6 or 7): the highest value in 0..1, the logarithms of the areas above AREA_LEVELS, and
        the logit of p(positive) if it is known.
    """
    highest = VALUES - 1 - np.argmax(histograms.pixels[:, ::-1] > 0, axis=1)
    areas = np.log1p(histograms.above[:, AREA_LEVELS])
    columns = [highest[:, None] / (VALUES - 1), areas]
    if classes is not None:
        inner = np.clip(classes, NEAREST, 1 - NEAREST)
        columns.append(np.log(inner / (1 - inner))[:, None])
    return np.hstack(columns)


def reliability(
    predicted: np.ndarray, happened: np.ndarray, count: np.ndarray
) -> list[dict[str, Any]]:
    """How often what was predicted happened, in bins of equal width that are not empty.

    Args:
        predicted: (K,) probabilities.
        happened: (K,) in how many cases it was true.
        count: (K,) of how many cases.
    """
    number = np.minimum((predicted * BINS).astype(int), BINS - 1)
    sums = [np.bincount(number, part, BINS) for part in (predicted * count, happened, count)]
    return [
        {"predicted": float(p / n), "observed": float(true / n), "count": int(n)}
        for p, true, n in zip(*sums, strict=True)
        if n
    ]


def check_both_kinds(positive: Sequence[bool] | np.ndarray) -> None:
    """Refuse to calibrate where there is one kind of images only."""
    if np.all(positive) or not np.any(positive):
        raise InputError(
            "--rule expected needs images with and without a pneumothorax outside of every fold; "
            "give --rule triplet"
        )
