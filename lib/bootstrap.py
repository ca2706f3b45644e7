"""Uncertainty of a mean Dice, by patient: images of one patient are not independent."""

import numpy as np

RESAMPLES = 2000
SEED = 0


def standard_error(dice: np.ndarray, patients: np.ndarray) -> float:
    """Return the standard error of a mean Dice, clustered by patient.

    Args:
        dice: (N,) Dice of each image.
        patients: (N,) patient of each image.
    """
    deviations, _ = _sum_by_patient(dice - dice.mean(), patients)
    return float(np.sqrt(np.sum(deviations**2)) / len(dice))


def interval(dice: np.ndarray, patients: np.ndarray) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean Dice, drawing patients with all their images.

    Our own code, because scipy.stats.bootstrap draws images and not patients.

    Args:
        dice: (N,) Dice of each image.
        patients: (N,) patient of each image.

    Returns:
        The 2.5 % and 97.5 % quantiles of RESAMPLES means, the same at every call.
    """
    sums, counts = _sum_by_patient(dice, patients)
    rng = np.random.default_rng(SEED)
    means = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(sums), size=len(sums))
        means.append(sums[drawn].sum() / counts[drawn].sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _sum_by_patient(values: np.ndarray, patients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of the values of each patient, and the number of its images."""
    _, codes = np.unique(patients, return_inverse=True)
    return np.bincount(codes, weights=values), np.bincount(codes)
