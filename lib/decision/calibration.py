"""From what maps say to how often it is true: of pixels, and of whole images.

Both are fitted on histograms alone, 256 numbers an image, so that refitting costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.decision.histograms import VALUES, Histograms
from lib.errors import InputError

GROUPS = (1, 2, 4, 8, *range(16, VALUES, 16))  # where the next begins; p rises most at low values
NEAREST = 1e-6  # to 0 and 1, where logits have no end
BINS = 10
PLAIN_FEATURES = 2  # without p(positive)

Knots = tuple[tuple[int, float], ...]  # a value and its p, ascending; p is linear in between


def pixel_knots(histograms: Histograms) -> Knots:
    """How often a pixel of each value is in the truth, in images that have one.

    Isotonic, as a higher value must not mean less, over twenty groups of values: their p is as good
    as that of all 256, and people can read it. Pixels of all images count alike.

    Returns:
        One knot a group that has pixels, at their mean value; p is in [0, 1] and does not fall.

    Raises:
        InputError: if all images are empty, or none is.
    """
    from sklearn.isotonic import IsotonicRegression  # late: it takes a second to load

    check_both_kinds(histograms.positive)
    positives = histograms[histograms.positive]
    counts = positives.pixels.sum(axis=0, dtype=np.int64)
    sums = [counts, counts * np.arange(VALUES), positives.inside.sum(axis=0, dtype=np.int64)]
    pixels, values, inside = (np.add.reduceat(one, (0, *GROUPS)) for one in sums)
    seen = pixels > 0
    pixels, values, inside = pixels[seen], values[seen] / pixels[seen], inside[seen]
    model = IsotonicRegression(y_min=0, y_max=1)
    p = model.fit_transform(values, inside / pixels, sample_weight=pixels)
    return tuple(zip(values.round().astype(int).tolist(), p.tolist(), strict=True))


def table_of(knots: Knots) -> np.ndarray:
    """(256,) p of every value."""
    values, p = zip(*knots, strict=True)
    return np.interp(np.arange(VALUES), values, p)


@dataclass(frozen=True)
class EmptyClassifier:
    """P(empty | image), a logistic regression on `image_features`.

    Attributes:
        intercept: of the logit.
        weights: one a feature.
    """

    intercept: float
    weights: tuple[float, ...]

    @property
    def wants_class(self) -> bool:
        """Whether it needs the image's p(positive)."""
        return len(self.weights) > PLAIN_FEATURES

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(N,) P(empty) of images with these (N, F) features."""
        logit = self.intercept + features @ np.array(self.weights)
        return 1 / (1 + np.exp(-np.clip(logit, -700, 700)))


def fit_empty_classifier(features: np.ndarray, positive: np.ndarray) -> EmptyClassifier:
    """Fit P(empty | image).

    Args:
        features: (N, F) of images.
        positive: (N,) bool, whether the truth of each is not empty.

    Raises:
        InputError: if all images are empty, or none is.
    """
    from sklearn.linear_model import LogisticRegression

    check_both_kinds(positive)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1  # one penalty for all, whatever the unit
    model = LogisticRegression().fit((features - mean) / spread, ~positive)
    weights = model.coef_[0] / spread
    return EmptyClassifier(float(model.intercept_[0] - mean @ weights), tuple(weights.tolist()))


def image_features(
    histograms: Histograms, table: np.ndarray, classes: np.ndarray | None
) -> np.ndarray:
    """What tells whether there is anything to see: how sure it is, and how much.

    So few, as areas above several levels say much the same: with them, fifty images are too few.

    Args:
        histograms: of N images; the truth is not looked at.
        table: (256,) P(in the truth) of a pixel of each value, given a pneumothorax.
        classes: (N,) p(positive), if it is known.

    Returns:
        (N, 2 or 3): the highest value in 0..1, the logarithm of the expected area, and the logit of
        p(positive) if it is known.
    """
    highest = VALUES - 1 - np.argmax(histograms.pixels[:, ::-1] > 0, axis=1)
    columns = [highest / (VALUES - 1), np.log1p(histograms.pixels @ table)]
    if classes is not None:
        inner = np.clip(classes, NEAREST, 1 - NEAREST)
        columns.append(np.log(inner / (1 - inner)))
    return np.stack(columns, axis=1)


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
