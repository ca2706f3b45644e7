"""Decision rules: from an 8-bit probability map to a mask.

Every published post-processing is a ThresholdRule; the other rule is in `expected_dice`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Protocol

import cv2
import numpy as np
from annotated_types import Ge, Interval

from lib import metrics
from lib.decision.histograms import Histograms, OofSample, count
from lib.errors import InputError
from lib.rle import COMPETITION_FRAME

LEVELS = 255  # a pixel passes level t if v > t; t = 0..254, as no pixel passes 255
HALF_DIGIT = 0.0005  # half a unit of the last digit that texts print of a threshold
Fraction = Annotated[float, Interval(ge=0, le=1)]
Areas = tuple[np.ndarray, np.ndarray, np.ndarray]  # |P|, |T|, |P and T| in pixels, each (N,)
# Probabilities, numbers of cases in which the event happened, numbers of cases; each (K,)
Predictions = tuple[np.ndarray, np.ndarray, np.ndarray]


class DecisionRule(Protocol):
    """Turns the probability map of an image into its mask."""

    @property
    def uses_p_positive(self) -> bool:
        """True if the rule needs the image's p(positive)."""

    @property
    def counts_pixels(self) -> bool:
        """True if the rule depends on areas, which are pixels of a frame."""

    @property
    def looks_at_components(self) -> bool:
        """True if areas need more than histograms: component areas or holes."""

    @property
    def is_calibrated(self) -> bool:
        """True if the rule decides by calibrated probabilities."""

    @property
    def thresholds(self) -> "ThresholdRule | None":
        """The rule itself if it has the same thresholds for all images, else None."""

    def apply(self, map_8bit: np.ndarray, p_positive: float | None = None) -> np.ndarray:
        """Turn a map into a mask.

        Args:
            map_8bit: (height, width) uint8, p = v / 255, in the RLE frame.
            p_positive: probability that the image has a pneumothorax, if known.

        Returns:
            (height, width) bool.

        Raises:
            InputError: if the rule needs `p_positive` and it is None.
        """

    def margin(self, map_8bit: np.ndarray, p_positive: float | None = None) -> float:
        """Return how far an image is from the boundary between a mask and none.

        Arguments as for `apply`.

        Returns:
            Above 0 with a mask, below without: in probability for a threshold rule, before it
            removes components; in expected Dice for the other.
        """

    def areas(self, sample: OofSample, p_positive: np.ndarray | None = None) -> Areas:
        """Return the areas of the masks that `apply` would make, from counts where possible.

        Args:
            sample: N labelled images.
            p_positive: (N,) p(positive) of each image, if known.
        """

    def predictions(
        self, sample: OofSample, p_positive: np.ndarray | None = None
    ) -> dict[str, Predictions]:
        """Return the calibrated probabilities of a sample and how often the events happened.

        Returns:
            By kind of event, "pixels" and "empty"; no entry for a rule without probabilities.
        """

    def p_empty(
        self, images: Histograms, p_positive: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Return the calibrated P(empty) of N images, (N,); None if the rule is not calibrated.

        Args:
            images: histograms of N images; the truth is not used.
            p_positive: (N,) p(positive) of each image, if known.

        Raises:
            InputError: if p(positive) is needed and missing.
        """

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as they were given, for the config of a decision."""

    def to_json(self) -> dict[str, Any]:
        """Return the rule's keys of decision.json; keys of other kinds of rule are null."""

    def explain(self, frame_px: int) -> list[str]:
        """Return the rule as sentences, in the order in which it is applied.

        Args:
            frame_px: side of the RLE frame, in pixels.
        """

    def __str__(self) -> str:
        """Return the parameters in a few words, for tables."""


@dataclass(frozen=True)
class ThresholdRule:
    """A rule of thresholds and areas, in the units of publications.

    An image is emptied if p(positive) is below `class_min`, or if fewer than `min_area` pixels
    have p > `top`. Otherwise its mask is every pixel with p > `bottom`, without 8-connected
    components of fewer than `component_min_area` pixels, and with its holes filled if `fill_holes`.
    Areas are pixels of the RLE frame. Those of recipes and published rules are pixels of the
    competition's frame, 1024 x 1024: see `in_frame`.
    """

    top: Fraction = 0.5
    min_area: Annotated[int, Ge(0)] = 0
    bottom: Fraction = 0.5
    component_min_area: Annotated[int, Ge(0)] = 0
    fill_holes: bool = False
    class_min: Fraction | None = None

    @staticmethod
    def from_levels(top: int, bottom: int, min_area: int = 0) -> "ThresholdRule":
        """Return the rule with these 8-bit levels."""
        return ThresholdRule(top=top / LEVELS, min_area=int(min_area), bottom=bottom / LEVELS)

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "ThresholdRule":
        """Read what `to_json` returned; other keys are ignored."""
        fields = {name: content[name] for name in asdict(ThresholdRule())}
        thresholds = {name: to_level(fields[name]) / LEVELS for name in ("top", "bottom")}
        return ThresholdRule(**fields | thresholds)

    @property
    def levels(self) -> tuple[int, int]:
        """The thresholds as 8-bit levels, top and bottom.

        Raises:
            InputError: if bottom is above top (the minimum area would count fewer pixels than the
                mask has), or no pixel can pass a threshold.
        """
        if self.bottom > self.top:
            raise InputError(
                f"bottom {self.bottom:g} is above top {self.top:g}; the mask's threshold must not "
                "be the higher one: swap them"
            )
        return to_level(self.top), to_level(self.bottom)

    def in_frame(self, side: int) -> "ThresholdRule":
        """Return a rule of the competition's frame with its areas in pixels of another frame."""
        factor = (side / COMPETITION_FRAME) ** 2
        return replace(
            self,
            min_area=round(self.min_area * factor),
            component_min_area=round(self.component_min_area * factor),
        )

    @property
    def uses_p_positive(self) -> bool:
        return self.class_min is not None

    @property
    def counts_pixels(self) -> bool:
        return bool(self.min_area or self.component_min_area)

    @property
    def looks_at_components(self) -> bool:
        return bool(self.component_min_area) or self.fill_holes

    @property
    def is_calibrated(self) -> bool:
        return False

    @property
    def thresholds(self) -> "ThresholdRule":
        return self

    def apply(self, map_8bit: np.ndarray, p_positive: float | None = None) -> np.ndarray:
        top, bottom = self.levels
        empty = np.zeros(map_8bit.shape, bool)
        if self.class_min is not None:
            if p_positive is None:
                raise InputError(
                    f"class_min {self.class_min:g} needs image probabilities; "
                    "use a member with an image head, or leave class_min out"
                )
            if p_positive < self.class_min:
                return empty
        if self.min_area and np.count_nonzero(map_8bit > top) < self.min_area:
            return empty
        mask = map_8bit > bottom
        if self.component_min_area:
            mask = remove_small_components(mask, self.component_min_area)
        return fill_holes(mask) if self.fill_holes else mask

    def margin(self, map_8bit: np.ndarray, p_positive: float | None = None) -> float:
        top, bottom = self.levels
        level, needed_px = (top, self.min_area) if self.min_area else (bottom, 1)
        pixels, _ = count(map_8bit, None)
        at_least = np.cumsum(pixels[::-1])[::-1]  # pixels of a value or a higher one
        # The image has a mask while the needed_px highest values pass the level.
        decisive = max(np.flatnonzero(at_least >= needed_px), default=0)
        margin = (float(decisive) - level - 0.5) / LEVELS
        if self.class_min is None:
            return margin
        assert p_positive is not None
        return min(margin, p_positive - self.class_min)

    def areas(self, sample: OofSample, p_positive: np.ndarray | None = None) -> Areas:
        predicted, truth, overlap = self.histogram_areas(sample.histograms, p_positive)
        if self.looks_at_components:
            assert sample.components
            masked = np.flatnonzero(predicted)
            ids, (_, bottom) = sample.histograms.ids[masked], self.levels
            intervals = sample.components.intervals(bottom, ids, self.fill_holes)
            counts = intervals.areas(self.component_min_area, len(masked))
            predicted[masked], overlap[masked] = counts
        return predicted, truth, overlap

    def histogram_areas(
        self, histograms: Histograms, p_positive: np.ndarray | None = None
    ) -> Areas:
        """Return the areas under thresholds, `min_area` and `class_min` alone.

        Histograms do not know components and holes: `areas` adds these.
        """
        top, bottom = self.levels
        kept = histograms.above[:, top] >= self.min_area
        if self.class_min is not None:
            assert p_positive is not None
            kept &= p_positive >= self.class_min
        predicted, overlap = histograms.above[:, bottom], histograms.overlap[:, bottom]
        return kept * predicted, histograms.truth, kept * overlap

    def histogram_dice(self, histograms: Histograms) -> np.ndarray:
        """Return the Dice of each image, (N,), under thresholds and `min_area` alone."""
        assert not self.looks_at_components, self
        return metrics.dice(*self.histogram_areas(histograms))

    def predictions(
        self, sample: OofSample, p_positive: np.ndarray | None = None
    ) -> dict[str, Predictions]:
        return {}

    def p_empty(self, images: Histograms, p_positive: np.ndarray | None = None) -> None:
        return None

    def parameters(self) -> dict[str, Any]:
        return asdict(self)

    def to_json(self) -> dict[str, Any]:
        top, bottom = (round(level / LEVELS, 4) for level in self.levels)
        return asdict(self) | {"top": top, "bottom": bottom, "expected": None}

    def explain(self, frame_px: int) -> list[str]:
        sentences = []
        if self.class_min is not None:
            sentences.append(
                "An image whose probability of a pneumothorax is below "
                f"{self.class_min:.3f} is empty."
            )
        if self.min_area == 1:
            sentences.append(f"An image without any pixel above {self.top:.3f} is empty.")
        elif self.min_area:
            sentences.append(
                f"An image with fewer than {self.min_area:,} of its {frame_px} × {frame_px} pixels "
                f"above {self.top:.3f} is empty."
            )
        sentences.append(f"The mask is every pixel above {self.bottom:.3f}.")
        if self.component_min_area:
            sentences.append(
                f"Connected parts of fewer than {self.component_min_area:,} pixels are removed."
            )
        if self.fill_holes:
            sentences.append("Holes are filled.")
        return sentences

    def __str__(self) -> str:
        top, bottom = self.levels
        parts = [f"{top / LEVELS:.3f} / {self.min_area} / {bottom / LEVELS:.3f}"]
        if self.component_min_area:
            parts.append(f"components {self.component_min_area}")
        if self.fill_holes:
            parts.append("filled")
        if self.class_min is not None:
            parts.append(f"class {self.class_min:.3f}")
        return ", ".join(parts)


def to_level(p: float) -> int:
    """Return the 8-bit level that passes the pixels with v / 255 > p.

    Texts print thresholds with three digits, so p is taken as the level that is printed so: .749 is
    191 / 255 = .74902.

    Raises:
        InputError: if p is outside 0..1, or 1, which no pixel passes.
    """
    if not 0 <= p < 1:
        raise InputError(f"threshold {p:g} is out of range; give 0 or more, and less than 1")
    # The last term: t / 255 * 255 can fall just short of t.
    return min(math.floor(LEVELS * (p + HALF_DIGIT) + 1e-9), LEVELS - 1)


def remove_small_components(mask: np.ndarray, min_area_px: int) -> np.ndarray:
    """Remove 8-connected components of fewer than `min_area_px` pixels."""
    from skimage.morphology import remove_small_objects  # late: it takes a third of a second

    return remove_small_objects(mask, max_size=min_area_px - 1, connectivity=2)


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill holes: background that no 4-connected path joins to the border.

    By flood fill, 9 times as fast as scipy.ndimage.binary_fill_holes.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    cv2.floodFill(padded, None, (0, 0), 2)
    return padded[1:-1, 1:-1] != 2
