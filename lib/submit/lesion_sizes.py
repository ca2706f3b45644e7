"""Out-of-fold results by size of the pneumothorax, in quartiles of its true area."""

from dataclasses import dataclass

import numpy as np

from lib.score import Score

SIZE_CLASSES = 4  # of equal numbers of positives


@dataclass(frozen=True)
class SizeClass:
    """Results on the positives of similar true area.

    Attributes:
        smallest, largest: true area, in pixels.
        images: number of positives.
        detected: number of those with a predicted mask.
        dice: mean over the positives.
        area_ratio: median of predicted to true area, of those detected; NaN if none is.
    """

    smallest: int
    largest: int
    images: int
    detected: int
    dice: float
    area_ratio: float


def size_classes(oof: Score) -> list[SizeClass]:
    """Return the results by quartile of true area; fewer classes if there are few positives."""
    positives = np.flatnonzero(oof.positive)
    by_area = positives[np.argsort(oof.areas[positives, 1], kind="stable")]
    quartiles = np.array_split(by_area, min(SIZE_CLASSES, len(by_area)) or 1)
    return [_size_class(oof, indices) for indices in quartiles if len(indices)]


def _size_class(oof: Score, indices: np.ndarray) -> SizeClass:
    predicted, true = oof.areas[indices, 0], oof.areas[indices, 1]
    detected = predicted > 0
    ratios = predicted[detected] / true[detected]
    return SizeClass(
        smallest=int(true.min()),
        largest=int(true.max()),
        images=len(indices),
        detected=int(detected.sum()),
        dice=float(oof.dices[indices].mean()),
        area_ratio=float(np.median(ratios)) if len(ratios) else float("nan"),
    )
