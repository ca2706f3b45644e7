"""Positive rate: the fraction of images with a mask, and warnings if it is implausible."""

import math
from dataclasses import dataclass

# Of the competition: 290 of 1,372 stage-1 test images, 2,669 of 12,047 labelled ones.
PRIOR = (0.21, 0.22)
PRIOR_TEXT = "21 to 22 %"
MAX_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Proportion:
    """A number of images out of a total."""

    count: int
    total: int

    @property
    def fraction(self) -> float:
        """In 0..1; NaN without images."""
        return self.count / self.total if self.total else math.nan

    def __str__(self) -> str:
        return f"{self.count} of {self.total} ({100 * self.fraction:.1f} %)"


def warnings(test: Proportion, oof: Proportion | None) -> list[str]:
    """Return a warning for each way in which the positive rate is too far off to be chance.

    Args:
        test: test images with a mask, of those that have a map.
        oof: out-of-fold images with a mask under the same rule; None without labels.
    """
    if not test.total:
        return []
    messages = []
    if oof and abs(test.fraction - oof.fraction) > MAX_STANDARD_ERRORS * standard_error(test, oof):
        messages.append(
            f"a mask in {test} of the test images, in {oof} out of fold: more than 2 standard "
            "errors apart, so the images or the maps differ in kind"
        )
    nearest = min(max(test.fraction, PRIOR[0]), PRIOR[1])
    prior_error = math.sqrt(nearest * (1 - nearest) / test.total)
    if abs(test.fraction - nearest) > MAX_STANDARD_ERRORS * prior_error:
        messages.append(
            f"a mask in {test} of the test images; of the competition's images "
            f"{PRIOR_TEXT} are positive"
        )
    return messages


def standard_error(first: Proportion, second: Proportion) -> float:
    """Return that of the difference of two fractions which estimate the same rate."""
    pooled = (first.count + second.count) / (first.total + second.total)
    return math.sqrt(pooled * (1 - pooled) * (1 / first.total + 1 / second.total))
