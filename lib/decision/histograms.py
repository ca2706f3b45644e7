"""All that the threshold rules need of a map: two histograms, 2 KB an image."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from lib import metrics
from lib.decision.rules import levels
from lib.errors import InputError
from lib.files import write_aside
from lib.recipes.schema import Rule

VALUES = 256


@dataclass(frozen=True)
class Histograms:
    """The pixels of each image by value, and those of them inside the truth.

    Attributes:
        ids: (N,) str, the images.
        pixels: (N, 256) uint32, how many pixels have each value.
        inside: (N, 256) uint32, how many of these are in the truth.
    """

    ids: np.ndarray
    pixels: np.ndarray
    inside: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, chosen: np.ndarray) -> "Histograms":
        """Those of some images, by index or bool."""
        return Histograms(self.ids[chosen], self.pixels[chosen], self.inside[chosen])

    @cached_property
    def truth(self) -> np.ndarray:
        """(N,) the area of the truth, in pixels."""
        return self.inside.sum(axis=1, dtype=np.int64)

    @property
    def positive(self) -> np.ndarray:
        """(N,) whether the truth is not empty."""
        return self.truth > 0

    @cached_property
    def above(self) -> np.ndarray:
        """(N, 255) how many pixels pass each level."""
        return _above(self.pixels)

    @cached_property
    def overlap(self) -> np.ndarray:
        """(N, 255) how many of these are in the truth."""
        return _above(self.inside)

    @property
    def gain(self) -> np.ndarray:
        """(N, 255) what the Dice of a mask at each level is more than that of an empty one."""
        truth = self.truth[:, None]
        return metrics.dice(self.above, truth, self.overlap) - metrics.dice(0, truth, 0)

    def areas(self, rule: Rule, classes: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """What a rule makes of every image, as `metrics.dice` takes it.

        Args:
            rule: without component areas and hole filling, which histograms cannot know.
            classes: (N,) p(positive), if the rule has `class_min`.

        Returns:
            |P|, |T| and |P and T|, each (N,) in pixels.
        """
        assert rule.component_min_area == 0, rule
        assert not rule.fill_holes, rule
        top, bottom = levels(rule)
        kept = self.above[:, top] >= rule.min_area
        if rule.class_min is not None:
            assert classes is not None
            kept &= classes >= rule.class_min
        return kept * self.above[:, bottom], self.truth, kept * self.overlap[:, bottom]

    def dice(self, rule: Rule) -> np.ndarray:
        """(N,) Dice of every image under a rule of thresholds and `min_area` alone."""
        return metrics.dice(*self.areas(rule))

    def save(self, path: Path) -> None:
        """Write an .npz; equal histograms are equal bytes."""
        with write_aside(path) as aside, aside.open("wb") as file:
            np.savez(file, ids=self.ids, pixels=self.pixels, inside=self.inside)


def load(path: Path) -> Histograms:
    """Read what `Histograms.save` wrote.

    Raises:
        InputError: if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Histograms(arrays["ids"], arrays["pixels"], arrays["inside"])
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}); remake it with --replace") from None


def count(map_8bit: np.ndarray, truth: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Count the pixels of one map by value.

    Args:
        map_8bit: (height, width) uint8.
        truth: (height, width) bool; None if it is empty.

    Returns:
        All pixels and those in the truth, (256,) uint32 each.
    """
    pixels = _histogram(map_8bit)
    if truth is None:
        return pixels, np.zeros_like(pixels)
    bits = truth.view(np.uint8)
    x, y, width, height = cv2.boundingRect(bits)
    box = np.s_[y : y + height, x : x + width]
    return pixels, _histogram(map_8bit[box], bits[box])


def _histogram(values: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    # Four times faster than np.bincount; its floats are exact to 2 ** 24 pixels of one value.
    return cv2.calcHist([values], [0], mask, [VALUES], [0, VALUES]).ravel().astype(np.uint32)


def _above(histograms: np.ndarray) -> np.ndarray:
    """(N, 255) sums over the values above each level."""
    backwards = np.cumsum(histograms[:, :0:-1], axis=1, dtype=np.int64)
    return np.ascontiguousarray(backwards[:, ::-1])
