"""How sure a mean Dice is: images of one patient stand and fall together."""

import numpy as np

RESAMPLES = 2000
SEED = 0


def standard_error(dice: np.ndarray, patients: np.ndarray) -> float:
    """The standard error of a mean Dice, clustered by patient.

    Args:
        dice: (N,) Dice of each image.
        patients: (N,) the patient of each.
    """
    deviations, _ = _per_patient(dice - dice.mean(), patients)
    return float(np.sqrt(np.sum(deviations**2)) / len(dice))


def interval(dice: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean Dice, drawing patients with all their images.

    Args:
        dice: (N,) Dice of each image.
        patients: (N,) the patient of each.

    Returns:
        The 2.5 % and 97.5 % quantiles of RESAMPLES means, the same at every call.
    """
    sums, images = _per_patient(dice, patients)
    rng = np.random.default_rng(SEED)
    means = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(sums), size=len(sums))
        means.append(sums[drawn].sum() / images[drawn].sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _per_patient(values: np.ndarray, patients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum of each patient's values, and how many there are."""
    _, codes = np.unique(patients, return_inverse=True)
    return np.bincount(codes, weights=values), np.bincount(codes)
