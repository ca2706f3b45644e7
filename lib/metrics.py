"""The scores, from areas in pixels: of one image, or of as many as the arrays hold.

P is what is predicted, T the truth; both empty score 1, exactly one empty scores 0.
"""

import numpy as np
from numpy.typing import ArrayLike


def dice(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Dice of each image, 2|P and T| / (|P| + |T|): the competition's score is its mean.

    Args:
        predicted, truth, overlap: |P|, |T| and |P and T| in pixels, of shapes that broadcast.

    Returns:
        float64 in [0, 1].
    """
    return _ratio(2 * np.asarray(overlap), np.asarray(predicted) + np.asarray(truth))


def iou(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Intersection over union of each image, |P and T| / |P or T|; arguments as `dice`."""
    overlap = np.asarray(overlap)
    return _ratio(overlap, np.asarray(predicted) + np.asarray(truth) - overlap)


def precision(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Share of the predicted pixels of each image that are true; arguments as `dice`.

    An image with nothing found and something to find scores 0, as with Dice, not undefined. Zhang's
    table has a precision and a recall, but the paper defines neither: a mean over images is ours.
    """
    return _ratio(overlap, predicted, nothing=np.asarray(truth) == 0)


def recall(predicted: ArrayLike, truth: ArrayLike, overlap: ArrayLike) -> np.ndarray:
    """Share of the true pixels of each image that are predicted; as `precision`."""
    return precision(truth, predicted, overlap)


def areas(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count what `dice` and `iou` need: `dice(*areas(prediction, truth))`.

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
    """Mean Dice of the images whose truth is not empty; NaN if there are none.

    Args:
        dices: (N,) Dice of each image.
        positive: (N,) bool, whether its truth is not empty.
    """
    return float(dices[positive].mean()) if positive.any() else float("nan")


def balanced_dice(dices: np.ndarray, positive: np.ndarray) -> float:
    """Mean of the mean Dices of positives and of negatives; NaN if either is missing.

    An all-empty answer scores .5 whatever the share of positives; arguments as `positive_dice`.
    """
    return (positive_dice(dices, positive) + positive_dice(dices, ~positive)) / 2


def confusion(found: np.ndarray, positive: np.ndarray) -> dict[str, int]:
    """How many images have a mask in both, in the truth only, in the prediction only, in neither.

    Args:
        found, positive: (N,) bool, whether the prediction and the truth are not empty.
    """
    return {
        "both": int((found & positive).sum()),
        "missed": int((~found & positive).sum()),
        "false": int((found & ~positive).sum()),
        "neither": int((~found & ~positive).sum()),
    }


def sensitivity(found: np.ndarray, positive: np.ndarray) -> float:
    """Share of the positives that are found; NaN without positives.

    Args:
        found, positive: (N,) bool, whether an image is taken for a positive, and whether it is one.
    """
    return float(found[positive].mean()) if positive.any() else float("nan")


def specificity(found: np.ndarray, positive: np.ndarray) -> float:
    """Share of the negatives that are not found; NaN without negatives; as `sensitivity`."""
    return sensitivity(~found, ~positive)


def auc(p: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive is above a negative, a tie counting half.

    Args:
        p: (N,) p(positive) of each image.
        positive: (N,) bool, whether its truth is not empty.

    Returns:
        A share; NaN without positives or without negatives.
    """
    negatives = np.sort(p[~positive])
    if not positive.any() or not len(negatives):
        return float("nan")
    below, upto = (np.searchsorted(negatives, p[positive], side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(negatives)))


def _ratio(part: ArrayLike, whole: ArrayLike, nothing: ArrayLike = True) -> np.ndarray:
    """part / whole; of an image without a whole, 1 if there is `nothing` elsewhere, or else 0."""
    whole = np.asarray(whole)
    return np.where(whole == 0, np.asarray(nothing, float), part / np.maximum(whole, 1))
