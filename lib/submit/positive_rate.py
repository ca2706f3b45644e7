"""Positive rate: the fraction of images with a mask, and warnings if it is implausible."""

import math
from dataclasses import dataclass

from lib.dataset import Dataset

COMPETITION_IDS = "1.2.276.0.7230010.3.1.4.8323329."  # stage 1's; those of stage 2 are ID_...
MAX_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Proportion:
    """A number of images out of a total."""

    count: int
    total: int

    @property
    def fraction(self) -> float:
        """The fraction of the images that count, in 0..1; NaN without images."""
        return self.count / self.total if self.total else math.nan

    def __str__(self) -> str:
        return f"{self.count} of {self.total} ({100 * self.fraction:.1f} %)"


@dataclass(frozen=True)
class Reference:
    """The positive rate to expect of test images.

    Attributes:
        rates: one, or the lowest and the highest.
        text: the same in words.
    """

    rates: tuple[Proportion, ...]
    text: str


COMPETITION = Reference(
    (Proportion(290, 1372), Proportion(2669, 12_047)),  # stage-1 test images, labelled images
    "of the competition's images 21 to 22 % are positive",
)


def reference(dataset: Dataset) -> Reference | None:
    """Return the rate of the competition for its images, else of the training images.

    None without labels, and if training images were balanced: their rate says nothing.
    """
    if all(image_id.startswith(COMPETITION_IDS) for image_id in dataset.test_ids):
        return COMPETITION
    training = Proportion(sum(map(dataset.positive, dataset.truth)), len(dataset.truth))
    if not training.total or dataset.artifact.config.get("balanced"):
        return None
    return Reference((training,), f"of the training images {training} are positive")


def warnings(
    test: Proportion, oof: Proportion | None, expected: Reference | None = None
) -> list[str]:
    """Return a warning for each way in which the positive rate is too far off to be chance.

    Args:
        test: test images with a mask, of those that have a map.
        oof: out-of-fold images with a mask under the same rule; None without labels.
        expected: the rate to expect; None if there is none.
    """
    if not test.total:
        return []
    messages = []
    if oof and _differ(test, oof):
        messages.append(
            f"a mask in {test} of the test images, in {oof} out of fold: more than 2 standard "
            "errors apart, so the images or the maps differ in kind"
        )
    if expected:
        fractions = [rate.fraction for rate in expected.rates]
        is_between = min(fractions) <= test.fraction <= max(fractions)
        if not is_between and all(_differ(test, rate) for rate in expected.rates):
            messages.append(f"a mask in {test} of the test images; {expected.text}")
    return messages


def _differ(first: Proportion, second: Proportion) -> bool:
    """Return True if two fractions are too far apart to estimate the same rate."""
    gap = abs(first.fraction - second.fraction)
    return gap > MAX_STANDARD_ERRORS * standard_error(first, second)


def standard_error(first: Proportion, second: Proportion) -> float:
    """Return the standard error of the difference of two fractions, by their pooled rate."""
    pooled = (first.count + second.count) / (first.total + second.total)
    return math.sqrt(pooled * (1 - pooled) * (1 / first.total + 1 / second.total))
