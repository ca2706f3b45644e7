"""Calibration of pixel probabilities and of P(empty | image), and a check of both.

Both are fitted on histograms alone, 256 numbers an image, so that fitting again is cheap.
"""

from dataclasses import dataclass

import numpy as np

from lib.decision.histograms import VALUES, Histograms
from lib.errors import InputError

GROUP_STARTS = (0, 1, 2, 4, 8, *range(16, VALUES, 16))  # finer where p rises most
MIN_P = 1e-6  # distance to 0 and 1, where logits are infinite
BINS = 10
HISTOGRAM_FEATURES = 2  # features without p(positive)

Knots = tuple[tuple[int, float], ...]  # a value and its p, ascending; p is linear in between


def pixel_knots(histograms: Histograms) -> Knots:
    """Fit P(in the truth) of a pixel by its value, in images with a pneumothorax.

    Isotonic regression over twenty groups of values: p must not fall with the value. Twenty
    knots are as good as 256, and a person can read them. Pixels of all images have equal weight.

    Returns:
        A knot for each group that has pixels, at their mean value; p is in [0, 1] and ascends.

    Raises:
        InputError: if all images are empty, or none is.
    """
    from sklearn.isotonic import IsotonicRegression  # late: it takes a second to load

    check_both_kinds(histograms.positive, "--rule expected", "--rule triplet")
    positives = histograms[histograms.positive]
    counts = positives.pixels.sum(axis=0, dtype=np.int64)
    sums = [counts, counts * np.arange(VALUES), positives.inside.sum(axis=0, dtype=np.int64)]
    pixels, values, inside = (np.add.reduceat(column, GROUP_STARTS) for column in sums)
    used = pixels > 0
    pixels, values, inside = pixels[used], values[used] / pixels[used], inside[used]
    model = IsotonicRegression(y_min=0, y_max=1)
    p = model.fit_transform(values, inside / pixels, sample_weight=pixels)
    return tuple(zip(values.round().astype(int).tolist(), p.tolist(), strict=True))


def interpolate(knots: Knots) -> np.ndarray:
    """Return p of every value, (256,)."""
    values, p = zip(*knots, strict=True)
    return np.interp(np.arange(VALUES), values, p)


@dataclass(frozen=True)
class EmptyClassifier:
    """P(empty | image): a logistic regression on `image_features`.

    Attributes:
        intercept: of the logit.
        weights: one for each feature.
    """

    intercept: float
    weights: tuple[float, ...]

    @property
    def uses_p_positive(self) -> bool:
        """True if the image's p(positive) is a feature."""
        return len(self.weights) > HISTOGRAM_FEATURES

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return P(empty), (N,), of images with these features, (N, F)."""
        logit = self.intercept + features @ np.array(self.weights)
        return 1 / (1 + np.exp(-np.clip(logit, -700, 700)))


def fit_empty_classifier(features: np.ndarray, positive: np.ndarray) -> EmptyClassifier:
    """Fit P(empty | image).

    Args:
        features: (N, F), as `image_features` returns them.
        positive: (N,) bool, True where the truth is not empty.

    Raises:
        InputError: if all images are empty, or none is.
    """
    from sklearn.linear_model import LogisticRegression

    check_both_kinds(positive, "--rule expected", "--rule triplet")
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1  # so that one penalty fits all units
    model = LogisticRegression().fit((features - mean) / spread, ~positive)
    weights = model.coef_[0] / spread
    return EmptyClassifier(float(model.intercept_[0] - mean @ weights), tuple(weights.tolist()))


def image_features(
    histograms: Histograms, table: np.ndarray, p_positive: np.ndarray | None
) -> np.ndarray:
    """Return the features of an image that predict whether it is empty.

    There are at most three: areas above several levels are nearly collinear, and fifty images are
    too few to fit them.

    Args:
        histograms: of N images; the truth is not used.
        table: (256,) P(in the truth) of a pixel of each value, given a pneumothorax.
        p_positive: (N,) p(positive) of each image, if known.

    Returns:
        (N, 2 or 3): the highest value in 0..1, the logarithm of the expected area, and the logit of
        p(positive) if it is known.
    """
    highest = VALUES - 1 - np.argmax(histograms.pixels[:, ::-1] > 0, axis=1)
    columns = [highest / (VALUES - 1), np.log1p(histograms.pixels @ table)]
    if p_positive is not None:
        columns.append(logit(p_positive))
    return np.stack(columns, axis=1)


def logit(p: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)), with p kept MIN_P away from 0 and 1."""
    inner = np.clip(p, MIN_P, 1 - MIN_P)
    return np.log(inner / (1 - inner))


@dataclass(frozen=True)
class ReliabilityBin:
    """Cases with similar probabilities.

    Attributes:
        predicted: mean of their probabilities.
        observed: fraction of them in which the event happened.
        count: number of cases.
    """

    predicted: float
    observed: float
    count: int


def reliability_bins(
    predicted: np.ndarray, observed: np.ndarray, count: np.ndarray
) -> list[ReliabilityBin]:
    """Compare probabilities with observed frequencies, in bins of equal width that are not empty.

    Args:
        predicted: (K,) probabilities.
        observed: (K,) number of cases in which the event happened.
        count: (K,) number of cases.
    """
    number = np.minimum((predicted * BINS).astype(int), BINS - 1)
    sums = [np.bincount(number, part, BINS) for part in (predicted * count, observed, count)]
    return [
        ReliabilityBin(predicted=float(p / n), observed=float(events / n), count=int(n))
        for p, events, n in zip(*sums, strict=True)
        if n
    ]


def check_both_kinds(positive: np.ndarray, flag: str, other_flag: str) -> None:
    """Raise InputError if all images are positive, or none is.

    Args:
        positive: (N,) bool, True where the truth is not empty.
        flag: what needs both kinds; other_flag: what does not.
    """
    if positive.all() or not positive.any():
        raise InputError(
            f"{flag} needs images with and without a pneumothorax outside of every fold; "
            f"give {other_flag}"
        )
