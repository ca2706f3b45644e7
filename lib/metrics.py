"""Metrics from areas in pixels, for one image or for arrays of images.

P is the predicted mask, T the true one. Both empty: 1; exactly one empty: 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


def dice(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Return the Dice of each image, 2|P and T| / (|P| + |T|); its mean is the competition's score.

    Args:
        predicted, truth, overlap: |P|, |T| and |P and T| in pixels, of shapes that broadcast.

    Returns:
        float64 in [0, 1].
    """
    return _ratio(2 * np.asarray(overlap), np.asarray(predicted) + np.asarray(truth))


def iou(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Return the intersection over union of each image, |P and T| / |P or T|; as `dice`."""
    overlap = np.asarray(overlap)
    return _ratio(overlap, np.asarray(predicted) + np.asarray(truth) - overlap)


def precision(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Return the fraction of the predicted pixels of each image that are true; as `dice`.

    An image with an empty prediction and a lesion scores 0, as with Dice, and is not undefined.
    Zhang's table has a precision and a recall, but the paper does not define them; the mean over
    images is our choice.
    """
    return _ratio(overlap, predicted, both_empty=np.asarray(truth) == 0)


def recall(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Return the fraction of the true pixels of each image that are predicted; as `precision`."""
    return precision(truth, predicted, overlap)


def pixel_accuracy(
    predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike, size: int
) -> np.ndarray:
    """Return the fraction of the pixels of each image that are right, inside the lesion or outside.

    Args:
        predicted, truth, overlap: as in `dice`.
        size: the side of the images, in pixels.
    """
    wrong = np.asarray(predicted) + np.asarray(truth) - 2 * np.asarray(overlap)
    return 1 - wrong / size**2


def areas(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the arguments of `dice` and `iou`: `dice(*areas(prediction, truth))`.

    Args:
        prediction, truth: (..., H, W) bool masks.

    Returns:
        |P|, |T| and |P and T|, each (...) in pixels.
    """
    assert prediction.shape == truth.shape, (prediction.shape, truth.shape)
    masks = prediction, truth, prediction & truth
    predicted, true, overlap = (np.count_nonzero(mask, axis=(-2, -1)) for mask in masks)
    return np.asarray(predicted), np.asarray(true), np.asarray(overlap)


def positive_dice(dices: np.ndarray, positive: np.ndarray) -> float:
    """Return the mean Dice of the images with a lesion; NaN if there are none.

    Args:
        dices: (N,) Dice of each image.
        positive: (N,) bool, True if the true mask is not empty.
    """
    return float(dices[positive].mean()) if positive.any() else float("nan")


def balanced_dice(dices: np.ndarray, positive: np.ndarray) -> float:
    """Return the mean of the mean Dices of positives and of negatives; NaN if either is missing.

    The all-empty baseline scores .5 at any positive rate; arguments as `positive_dice`.
    """
    return (positive_dice(dices, positive) + positive_dice(dices, ~positive)) / 2


@dataclass(frozen=True)
class Confusion:
    """Numbers of images with a mask: in prediction and truth, in one of them, in neither.

    Attributes:
        both: masks in both.
        missed: a mask in the truth only.
        false: a mask in the prediction only.
        neither: no mask.
    """

    both: int
    missed: int
    false: int
    neither: int


def confusion(predicted: np.ndarray, positive: np.ndarray) -> Confusion:
    """Count images by masks in prediction and truth.

    Args:
        predicted: (N,) bool, True if the predicted mask is not empty.
        positive: (N,) bool, True if the true mask is not empty.
    """
    return Confusion(
        both=int((predicted & positive).sum()),
        missed=int((~predicted & positive).sum()),
        false=int((predicted & ~positive).sum()),
        neither=int((~predicted & ~positive).sum()),
    )


def sensitivity(predicted: np.ndarray, positive: np.ndarray) -> float:
    """Return the fraction of the positives that are predicted; NaN without positives.

    Args:
        predicted: (N,) bool, True if an image is predicted to be positive.
        positive: (N,) bool, True if it is.
    """
    return float(predicted[positive].mean()) if positive.any() else float("nan")


def specificity(predicted: np.ndarray, positive: np.ndarray) -> float:
    """Return the fraction of the negatives that are not predicted; NaN without negatives."""
    return sensitivity(~predicted, ~positive)


def auc(p: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve; NaN if a class or a probability is missing.

    Args:
        p: (N,) p(positive) of each image, NaN where a network diverged.
        positive: (N,) bool, True if the true mask is not empty.
    """
    if positive.all() or not positive.any() or np.isnan(p).any():
        return float("nan")
    from sklearn.metrics import roc_auc_score  # here, because it takes a second to load

    return float(roc_auc_score(positive, p))


def _ratio(part: ArrayLike, whole: ArrayLike, both_empty: ArrayLike = True) -> np.ndarray:
    """Return part / whole; where whole is 0: 1 if both masks are empty, else 0."""
    whole = np.asarray(whole)
    return np.where(whole == 0, np.asarray(both_empty, float), part / np.maximum(whole, 1))
