"""How many images get a mask: the number that most submissions go wrong by."""

import math
from dataclasses import dataclass

# Of the competition: 290 of 1,372 stage-1 test images, 2,669 of 12,047 labelled ones.
PRIOR = (0.21, 0.22)
PRIOR_IN_WORDS = "21 to 22 %"
FAR = 2.0  # standard errors


@dataclass(frozen=True)
class Proportion:
    """So many of so many images."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else math.nan

    def __str__(self) -> str:
        return f"{self.part} of {self.whole} ({100 * self.value:.1f} %)"


def warnings(test: Proportion, oof: Proportion | None) -> list[str]:
    """Say where the share of test images with a mask cannot be chance.

    Args:
        test: of test images that have a map.
        oof: of out-of-fold images, under the same rule; None without labels.
    """
    if not test.whole:
        return []
    said = []
    if oof and abs(test.value - oof.value) > FAR * standard_error(test, oof):
        said.append(
            f"a mask in {test} of the test images, in {oof} out of fold: more than 2 standard "
            "errors apart, so the images or the maps differ in kind"
        )
    nearest = min(max(test.value, PRIOR[0]), PRIOR[1])
    if abs(test.value - nearest) > FAR * math.sqrt(nearest * (1 - nearest) / test.whole):
        said.append(
            f"a mask in {test} of the test images; of the competition's images "
            f"{PRIOR_IN_WORDS} are positive"
        )
    return said


def standard_error(one: Proportion, other: Proportion) -> float:
    """Of the difference of two shares, if both estimate the same one."""
    pooled = (one.part + other.part) / (one.whole + other.whole)
    return math.sqrt(pooled * (1 - pooled) * (1 / one.whole + 1 / other.whole))
